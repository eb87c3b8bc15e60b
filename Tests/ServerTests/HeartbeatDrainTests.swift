import AMQP
import FleetProtocol
import ServiceRuntime
import TestSupport
import Testing

@testable import Server

/// Heartbeats from the queue to the rows: in batches, the newest wins, nothing is lost.
@Suite struct HeartbeatDrainTests {
  /// Heartbeats of many agents, shuffled; the newest of each names the instance `i-last`.
  static func backlog(_ agents: [Agent], each: Int, until end: Timestamp, token: String = BenchMessage.token) throws -> [Publication] {
    var all: [Publication] = []
    for agent in agents {
      let key = agent.address.routingKey(.heartbeat)
      for number in 0..<each {
        let sentAt = Timestamp(milliseconds: end.milliseconds - Int64(each - 1 - number))
        let body = BenchMessage.heartbeat(agent.id, sentAt: sentAt, instances: [number == each - 1 ? "i-last" : "i-\(number)"])
        all.append(Publication(try BenchMessage.signed(body, routingKey: key, token: token), to: Topology.inboxExchange, routingKey: key))
      }
    }
    return all.shuffled()
  }

  static func agents(_ count: Int, in bench: Bench) async throws -> [Agent] {
    try await bench.client("c1")
    let declaring = try await bench.peer.channel()
    try await ServerTopology.declare(on: declaring)
    var agents: [Agent] = []
    for number in 0..<count {
      agents.append(try await bench.database.register("a\(number)", sentAt: .now().advanced(by: .seconds(-60))))
    }
    return agents
  }

  static func waitUntilStored(_ agents: [Agent], _ bench: Bench, at end: Timestamp) async throws {
    try await eventually("every agent has its newest heartbeat", timeout: .seconds(60)) {
      let sql =
        "SELECT COUNT(*) AS n FROM agents WHERE monitored_instances = '[\"i-last\"]' AND last_heartbeat_at = FROM_UNIXTIME(\(end.milliseconds) / 1000)"
      // The test's own connections may be of before an outage.
      let rows = try await DatabaseRetry(logger: bench.log.logger).run { try await bench.database.sql(sql) }
      return try rows.first?.int("n") == agents.count
    }
  }

  @Test func drainsABacklogInBatchesToTheNewestValues() async throws {
    try await Bench.run(withoutServer: true) { bench in
      let agents = try await Self.agents(50, in: bench)
      let end = Timestamp.now()
      try await bench.peer.publish(try Self.backlog(agents, each: 400, until: end))
      #expect(try await bench.peer.status(Topology.heartbeatsQueue).messageCount == 20_000)
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await bench.runServer() }
        try await Self.waitUntilStored(agents, bench, at: end)
        try await bench.expectEmptyAfterStop()
        try await group.waitForAll()
      }
      #expect((1...200).contains(bench.log.count("Committed ")), "committed in \(bench.log.count("Committed ")) batches")
      #expect(try await bench.peer.status(Topology.deadLettersQueue).messageCount == 0)
    }
  }

  @Test func neverMovesTheLastSignOfLifeBackNorBeyondNow() async throws {
    try await Bench.run { bench in
      try await bench.client("c1")
      let agent = try await bench.register("a1")
      let now = Timestamp.now()
      let old = try bench.heartbeat(agent, sentAt: now.advanced(by: .seconds(-50)), instances: ["i-old"])
      try await bench.peer.publish([try bench.heartbeat(agent, sentAt: now, instances: ["i-new"])])
      // Details and time are two statements: only with the second is the heartbeat stored.
      try await eventually {
        let row = try await bench.agent(agent)
        return row.monitoredInstances == ["i-new"] && row.lastHeartbeatAt == now
      }

      // Replayed one by one, so that they are no batch in which the newest is chosen; the last is another agent's, to know when all are done.
      let witness = try await bench.register("witness")
      for publication in [old, old] { try await bench.peer.publish([publication]) }
      try await bench.peer.publish([try bench.heartbeat(witness, instances: ["i-witness"])])
      try await eventually { try await bench.agent(witness).monitoredInstances == ["i-witness"] }
      let after = try await bench.agent(agent)
      #expect(after.lastHeartbeatAt == now && after.monitoredInstances == ["i-new"])

      // A clock that is an hour ahead counts as now, and does not shut the agent out until its hour has come.
      try await bench.peer.publish([try bench.heartbeat(agent, sentAt: .now().advanced(by: .seconds(3600)), instances: ["i-ahead"])])
      try await eventually {
        let row = try await bench.agent(agent)
        return row.monitoredInstances == ["i-ahead"] && row.lastHeartbeatAt.map { $0 > now } == true
      }
      let clamped = try #require(try await bench.agent(agent).lastHeartbeatAt)
      #expect(try await clamped <= bench.database.now())
      try await bench.peer.publish([try bench.heartbeat(agent, sentAt: .now().advanced(by: .seconds(1)), instances: ["i-right"])])
      try await eventually { try await bench.agent(agent).monitoredInstances == ["i-right"] }
      try await bench.expectEmptyAfterStop()
    }
  }

  @Test func knowsAnAgentWhoseRowWasMadeAnewByAnotherWorker() async throws {
    try await Bench.run { bench in
      try await bench.client("c1")
      let before = try await bench.register("a1")
      try await bench.peer.publish([try bench.heartbeat(before, instances: ["i-1"])])
      try await eventually { try await bench.agent(before).monitoredInstances == ["i-1"] }
      // What another process does with the guide's SQL and a registration that this worker does not see.
      try await bench.database.sql("DELETE FROM agents WHERE id = '\(before.agentID)'")
      let row = try await bench.database.register("a1")
      var after = before
      after.agentID = row.id
      let first = try bench.heartbeat(after, instances: ["i-2"])
      try await bench.peer.publish([first])
      try await eventually { try await bench.agent(after).monitoredInstances == ["i-2"] }
      #expect(bench.peer.replies(to: first.message).isEmpty)
      // The deleted one is told, and the good one beside it keeps its place.
      let stale = try bench.heartbeat(before, sentAt: .now().advanced(by: .seconds(5)))
      try await bench.peer.publish([try bench.heartbeat(after, sentAt: .now().advanced(by: .seconds(1)), instances: ["i-3"]), stale])
      #expect(try await bench.peer.notice(for: stale.message).error == "Agent not found")
      try await eventually { try await bench.agent(after).monitoredInstances == ["i-3"] }
    }
  }
}
