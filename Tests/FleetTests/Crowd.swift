import AMQP
import FleetProtocol
import Foundation
import MySQL
import ServiceRuntime
import SignedMessages

/// Agents that exist as rows only and whose messages the test writes itself, with the signature an agent would make: many more messages
/// than processes could send.
final class Crowd: Sendable {
  private struct Member: Sendable {
    let address: AgentAddress
    let id: String
  }

  private let fleet: Fleet
  private let members: [Member]
  /// Round 0 was at this moment, each round is a second later; all of them have been.
  private let start = Timestamp.now().advanced(by: .seconds(-300))

  var count: Int { members.count }

  /// Writes the rows of `count` agents of the fleet's client.
  init(_ fleet: Fleet, count: Int) async throws {
    self.fleet = fleet
    members = try (0..<count).map { index in
      Member(
        address: try AgentAddress(clientID: Fleet.clientID, logicalAgentID: "crowd-\(index)"), id: UUID().uuidString.lowercased())
    }
    for member in members {
      try await fleet.execute(
        "INSERT INTO agents (id, client_id, logical_agent_id, status, generation, queue) VALUES (?, ?, ?, 'online', 1, ?)",
        [
          .text(member.id), .text(member.address.clientID), .text(member.address.logicalAgentID),
          .text(member.address.queueName(generation: 1)),
        ])
    }
  }

  private func time(of round: Int) -> Timestamp { start.advanced(by: .seconds(round)) }

  /// One heartbeat of every agent, confirmed by the broker when this returns.
  func publishHeartbeats(round: Int) async throws {
    let key = try SigningKey(clientToken: fleet.token)
    try await publish(
      try members.map { member in
        let body = Heartbeat(agentID: member.id, status: .online, generation: 1, sentAt: time(of: round))
        return try publication(try WireCoding.encode(body), routingKey: member.address.routingKey(.heartbeat), key: key)
      })
  }

  /// A heartbeat's properties and a true signature around any body.
  func publication(_ body: [UInt8], routingKey: String, type: String = "heartbeat", key: SigningKey? = nil) throws -> Publication {
    var message = Message(body: body, contentType: "application/json", type: type, messageID: UUID().uuidString)
    message.timestamp = UInt64(Timestamp.now().seconds)
    try message.sign(with: try key ?? SigningKey(clientToken: fleet.token), routingKey: routingKey)
    return Publication(message, to: Topology.inboxExchange, routingKey: routingKey)
  }

  /// Publishes with the server's login; confirmed by the broker when this returns.
  func publish(_ publications: [Publication]) async throws {
    try await fleet.withChannel { channel in
      try await channel.enableConfirms()
      for result in await channel.publish(publications) { try result.get() }
    }
  }

  /// How many agents' rows have their heartbeat of this round or a later one.
  func countAt(round: Int) async throws -> Int {
    try await fleet.number("SELECT COUNT(*) AS n FROM agents WHERE last_heartbeat_at >= ?", [.timestamp(time(of: round))])
  }

  /// The agents' queues, as the server declares them.
  func declareQueues() async throws {
    try await fleet.withChannel { channel in
      for member in members {
        let queue = member.address.queueName(generation: 1)
        _ = try await channel.declareQueue(queue, arguments: ["x-expires": .int(Topology.agentQueueExpiryMilliseconds)])
        try await channel.bindQueue(queue, to: Topology.commandsExchange, routingKey: queue)
      }
    }
  }

  /// Commands for the agents in turn, in one statement.
  func insertCommands(_ count: Int) async throws {
    let rows = (0..<count).map { "('\(members[$0 % members.count].id)', 'ping')" }.joined(separator: ",")
    try await fleet.execute("INSERT INTO commands (agent_id, command_type) VALUES \(rows)")
  }

  /// What lies in all their queues.
  func messagesInQueues() async throws -> Int {
    try await fleet.withChannel { channel in
      var sum = 0
      for member in members { sum += try await channel.queueStatus(member.address.queueName(generation: 1)).messageCount }
      return sum
    }
  }
}
