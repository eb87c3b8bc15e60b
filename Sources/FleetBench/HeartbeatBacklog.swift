import AMQP
import FleetProtocol
import ServiceRuntime
import SignedMessages

/// Heartbeats of a fleet as they pile up while no worker runs: every agent in turn, thirty seconds apart, the newest just now.
struct HeartbeatBacklog: Sendable {
  /// Connections that publish side by side; an agent keeps to one of them, so its heartbeats stay in order.
  static let connections = 4
  /// Heartbeats a connection publishes before it waits for their confirms.
  private static let window = 500
  private static let interval = Duration.seconds(30)

  let fleet: BenchFleet
  let count: Int
  /// The moment of the newest heartbeats, by the database's clock.
  let end: Timestamp

  /// When agent `index` sent its newest heartbeat: agents differ, so that a row that was mixed up is noticed.
  func newest(_ index: Int) -> Timestamp { sentAt(index, ago: 0) }

  private func sentAt(_ index: Int, ago rounds: Int) -> Timestamp {
    end.advanced(by: .milliseconds(-(index % 1000)) - Self.interval * rounds)
  }

  /// Heartbeats of agent `index`: the first agents have one more when the count cannot be divided.
  private func rounds(_ index: Int) -> Int {
    let agents = fleet.members.count
    return count / agents + (index < count % agents ? 1 : 0)
  }

  /// Publishes everything as agents do, over several connections of `loop`; returns when the broker has confirmed all. Each of them is then newer than its
  /// agent's row.
  func publish(_ broker: ConnectionConfiguration, on loop: EventLoop) async throws {
    try await fleet.forgetHeartbeats()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for lane in 0..<Self.connections {
        group.addTask { try await publishLane(lane, broker, loop) }
      }
      try await group.waitForAll()
    }
  }

  private func publishLane(_ lane: Int, _ broker: ConnectionConfiguration, _ loop: EventLoop) async throws {
    let members = Array(fleet.members.enumerated()).filter { $0.offset % Self.connections == lane }
    guard !members.isEmpty else { return }
    let connection = try await Connection.open(broker, on: loop)
    do {
      let channel = try await connection.openChannel()
      try await channel.enableConfirms()
      // As the agent does; the broker then writes its own long address into every message.
      _ = try await channel.consume(Topology.replyToQueue, noAck: true)
      let key = try SigningKey(clientToken: fleet.token)
      let templates = try members.map { try HeartbeatTemplate($0.element, login: broker.username) }
      var window: [Publication] = []
      for round in 0..<(members.map { rounds($0.offset) }.max() ?? 0) {
        for (member, template) in zip(members, templates) where round < rounds(member.offset) {
          let ago = rounds(member.offset) - 1 - round
          window.append(try template.publication(sentAt: sentAt(member.offset, ago: ago), number: round, key))
          if window.count == Self.window {
            try await send(window, channel)
            window.removeAll(keepingCapacity: true)
          }
        }
      }
      try await send(window, channel)
      await connection.close()
    } catch {
      await connection.close()
      throw error
    }
  }

  private func send(_ window: [Publication], _ channel: Channel) async throws {
    try Task.checkCancellation()
    for result in await channel.publish(window) { try result.get() }
  }
}

/// One agent's heartbeat, encoded once: only its time changes from one to the next.
struct HeartbeatTemplate: Sendable {
  private static let timeLength = 24

  private let body: [UInt8]
  private let timeOffset: Int
  private let routingKey: String
  private let messageIDPrefix: String
  private let login: String

  /// `login` is the user the connection logged in as, which is all the broker lets stand in `user_id`.
  init(_ member: BenchFleet.Member, login: String) throws {
    let moment = Timestamp(milliseconds: 0)
    let heartbeat = Heartbeat(
      agentID: member.id, status: .online, monitoredInstances: ["i-0123456789abcdef0"], instanceID: "i-0123456789abcdef0",
      instanceType: "t3.micro", mode: .spot, az: "us-east-1a", generation: 1, sentAt: moment)
    body = try WireCoding.encode(heartbeat)
    let text = Array(moment.iso8601.utf8)
    guard text.count == Self.timeLength, let range = body.firstRange(of: text) else { throw BenchError("a heartbeat shows no sent_at") }
    timeOffset = range.lowerBound
    routingKey = member.address.routingKey(.heartbeat)
    // A UUID's length, and different for every agent and heartbeat.
    messageIDPrefix = String(member.id.prefix(28))
    self.login = login
  }

  /// The signed heartbeat of one moment, as the agent would publish it.
  func publication(sentAt: Timestamp, number: Int, _ key: SigningKey) throws -> Publication {
    var body = body
    body.replaceSubrange(timeOffset..<(timeOffset + Self.timeLength), with: Array(sentAt.iso8601.utf8))
    let digits = String(number, radix: 16)
    let messageID = messageIDPrefix + String(repeating: "0", count: max(0, 8 - digits.count)) + digits
    var message = Message(body: body, contentType: "application/json", type: Heartbeat.type.rawValue, messageID: messageID)
    message.timestamp = UInt64(max(0, sentAt.seconds))
    message.userID = login
    message.appID = "fleet-bench/\(programVersion)"
    message.replyTo = Topology.replyToQueue
    try message.sign(with: key, routingKey: routingKey)
    return Publication(message, to: Topology.inboxExchange, routingKey: routingKey)
  }
}
