import AMQP
import FleetProtocol
import MySQL
import ServiceRuntime
import TestSupport

@testable import Server

extension FleetDatabase {
  var fleetEvents: FleetEventStore { FleetEventStore(pool) }
  var reactions: ReactionStore { ReactionStore(pool) }

  /// Writes events in a transaction of their own, as if something had happened.
  func append(_ events: [FleetEvent]) async throws {
    try await pool.transaction { connection in try await FleetEvent.append(events, on: connection) }
  }

  /// What was written of one type, oldest first.
  func events(_ type: EventType) async throws -> [StoredEvent] {
    var filter = FleetEventStore.Filter()
    filter.pattern = try EventPattern(type.rawValue)
    filter.limit = 100_000
    return try await fleetEvents.list(filter).rows
  }

  static func notice(
    _ agent: Agent, _ kind: SpotNotice.Kind = .interruption, at time: Timestamp = noticeTime, action: String? = "terminate",
    instance: String? = nil
  ) -> SpotNotice {
    SpotNotice(
      agentID: agent.id, kind: kind, action: kind == .interruption ? action : nil, time: time,
      instanceID: instance ?? agent.machine.instanceID, sentAt: .now())
  }

  static let noticeTime = Timestamp(milliseconds: 1_800_000_000_000)
}

extension Bench {
  func notice(_ agent: RegistrationReply, _ kind: SpotNotice.Kind = .interruption, at time: Timestamp, client: String? = nil) throws
    -> Publication
  {
    let address = try AgentAddress(clientID: client ?? agent.clientID, logicalAgentID: agent.logicalAgentID)
    let body = SpotNotice(
      agentID: agent.agentID, kind: kind, action: kind == .interruption ? "terminate" : nil, time: time,
      instanceID: "i-\(agent.logicalAgentID)", sentAt: .now())
    let message = try BenchMessage.signed(
      body, routingKey: address.routingKey(.notice), token: BenchMessage.token(of: address.clientID))
    return Publication(message, to: Topology.inboxExchange, routingKey: address.routingKey(.notice))
  }

  /// A queue that outlives a broker, for everything that is published.
  func subscribe(_ queue: String = "subscriber", to key: String = "#") async throws {
    let channel = try await peer.channel()
    try await channel.declareExchange(Topology.eventsExchange, kind: "topic")
    _ = try await channel.declareQueue(queue)
    try await channel.bindQueue(queue, to: Topology.eventsExchange, routingKey: key)
    await channel.close()
  }

  /// Waits until nothing waits to be published.
  func waitUntilPublished() async throws {
    try await eventually("every event is published", timeout: .seconds(90)) {
      try await !DatabaseRetry(logger: log.logger).run { try await database.fleetEvents.hasWaiting() }
    }
  }
}
