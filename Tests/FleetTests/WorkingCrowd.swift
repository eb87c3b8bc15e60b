import AMQP
import FleetProtocol
import Foundation
import MySQL
import ServiceRuntime
import SignedMessages
import TestSupport

/// Agents by the thousand that run commands: rows, a queue each, and a few connections that speak for all of them. They do what an agent does with a command: verify it,
/// run it once however often it comes, and answer it again when it comes again.
final class WorkingCrowd: Sendable {
  /// What the agents have seen of commands, in all: counted by themselves and by nobody else.
  struct Tally: Sendable {
    /// Started and not yet answered.
    var inFlight = 0
    /// The most of them at once.
    var most = 0
    /// How often each command was started.
    var starts: [String: Int] = [:]
    /// Deliveries of commands that had been started before.
    var repetitions = 0
    /// Deliveries that no agent would have believed.
    var problems: [String] = []
  }

  private struct Member: Sendable {
    let address: AgentAddress
    let id: String
    let queue: String
  }

  private static let connectionCount = 4
  private static let channelsEach = 4

  private let fleet: Fleet
  private let members: [Member]
  private let tally = Lock(Tally())
  /// The result of each command that has one, for when it comes again.
  private let results = Lock<[String: [UInt8]]>([:])

  /// Commands that may be started and ended before `release`; whatever is started after them is held until then.
  private let held: Int
  private let isReleased = Lock(false)

  /// Lets the commands that are held go on.
  func release() { isReleased.withLock { $0 = true } }

  /// What they have seen so far.
  var seen: Tally { tally.withLock { $0 } }

  /// Writes the rows of `count` online agents of the fleet's client, who hold every command after the first `held`.
  init(_ fleet: Fleet, count: Int, holdingAfter held: Int) async throws {
    self.fleet = fleet
    self.held = held
    members = try (0..<count).map { index in
      let address = try AgentAddress(clientID: Fleet.clientID, logicalAgentID: "worker-\(index)")
      return Member(address: address, id: UUID().uuidString.lowercased(), queue: address.queueName(generation: 1))
    }
    for start in stride(from: 0, to: count, by: 1000) {
      let rows = members[start..<min(start + 1000, count)].map { member in
        "('\(member.id)', '\(member.address.clientID)', '\(member.address.logicalAgentID)', 'online', 1, '\(member.queue)')"
      }
      try await fleet.execute(
        "INSERT INTO agents (id, client_id, logical_agent_id, status, generation, queue) VALUES \(rows.joined(separator: ", "))")
    }
  }

  /// Works until the task is cancelled; `ready` is called once every agent consumes its queue.
  func work(ready: @escaping @Sendable () -> Void) async throws {
    let loop = EventLoop(name: "working-crowd")
    defer { loop.stop() }
    let waiting = Lock(Self.connectionCount * Self.channelsEach)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for part in 0..<Self.connectionCount {
        group.addTask {
          let url = try BrokerURL(self.fleet.amqpURL, name: "AMQP_URL")
          let connection = try await AMQP.Connection.open(
            ConnectionConfiguration(url, defaultVirtualHost: self.fleet.virtualHost, connectionName: "working-crowd \(part)"), on: loop)
          do {
            try await self.work(on: connection, part) {
              if waiting.withLock({ count in
                count -= 1; return count == 0
              }) {
                ready()
              }
            }
            await connection.close()
          } catch {
            await connection.close()
            throw error
          }
        }
      }
      try await group.waitForAll()
    }
  }

  private func work(on connection: AMQP.Connection, _ part: Int, _ ready: @escaping @Sendable () -> Void) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 0..<Self.channelsEach {
        let index = part * Self.channelsEach + number
        let own = members.indices.filter { $0 % (Self.connectionCount * Self.channelsEach) == index }.map { members[$0] }
        group.addTask {
          let channel = try await connection.openChannel()
          try await channel.enableConfirms()
          try await channel.setPrefetch(8)
          var consumers: [(Member, Consumer)] = []
          for member in own {
            // Gone with the connection, so that the tests' broker is not left with thousands; all else is as the server declares it.
            _ = try await channel.declareQueue(
              member.queue, durable: false, exclusive: true, arguments: ["x-max-priority": .int(Topology.queuePriorities)])
            try await channel.bindQueue(member.queue, to: Topology.commandsExchange, routingKey: member.queue)
            consumers.append((member, try await channel.consume(member.queue)))
          }
          ready()
          try await withThrowingTaskGroup(of: Void.self) { group in
            for (member, consumer) in consumers { group.addTask { try await self.serve(member, consumer, channel) } }
            try await group.waitForAll()
          }
        }
      }
      try await group.waitForAll()
    }
  }

  private func serve(_ member: Member, _ consumer: Consumer, _ channel: Channel) async throws {
    let key = try SigningKey(clientToken: fleet.token)
    while true {
      for delivery in try await consumer.nextBatch() {
        do {
          try delivery.message.verifySignature(with: key, routingKey: member.queue)
          let command = try WireCoding.decode(Command.self, from: delivery.message.body)
          guard command.agentID == member.id else { throw FleetFailure(description: "a command for \(command.agentID)") }
          try await answer(try await run(command, member), member, key, channel)
        } catch let error where error is FleetFailure || error is MessageError {
          tally.withLock { $0.problems.append("\(member.queue): \(error)") }
        }
        try await channel.acknowledge(delivery.deliveryTag)
      }
    }
  }

  /// Runs a command by waiting a little, once; its result.
  private func run(_ command: Command, _ member: Member) async throws -> [UInt8] {
    if let known = results.withLock({ $0[command.id] }) {
      tally.withLock { $0.repetitions += 1 }
      return known
    }
    let startedAt = Timestamp.now()
    let isHeld = tally.withLock { tally in
      tally.starts[command.id, default: 0] += 1
      tally.inFlight += 1
      tally.most = max(tally.most, tally.inFlight)
      return tally.starts.count > held
    }
    try await Task.sleep(for: .milliseconds(Int.random(in: 20...200)))
    if isHeld {
      try await eventually("the commands are released", timeout: .seconds(120)) { isReleased.withLock { $0 } }
    }
    let now = Timestamp.now()
    let result = CommandResult(
      commandID: command.id, agentID: member.id, status: .succeeded, output: ["pong": true], startedAt: startedAt, finishedAt: now,
      sentAt: now)
    let body = try WireCoding.encode(result)
    results.withLock { $0[command.id] = body }
    // Before it is sent: from then on the server may start another.
    tally.withLock { $0.inFlight -= 1 }
    return body
  }

  private func answer(_ body: [UInt8], _ member: Member, _ key: SigningKey, _ channel: Channel) async throws {
    let routingKey = member.address.routingKey(.result)
    var message = Message(body: body, contentType: "application/json", type: CommandResult.type.rawValue, messageID: UUID().uuidString)
    message.timestamp = UInt64(Timestamp.now().seconds)
    try message.sign(with: key, routingKey: routingKey)
    try await channel.publish(Publication(message, to: Topology.inboxExchange, routingKey: routingKey))
  }
}
