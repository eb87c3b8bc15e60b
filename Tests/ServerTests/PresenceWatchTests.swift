import AMQP
import FleetProtocol
import MySQL
import ServiceRuntime
import TestSupport
import Testing

@testable import Server

/// The silent are called offline, in time and not because of us.
@Suite struct PresenceWatchTests {
  @Test func callsTheSilentOfflineAfterTheTimeOutAndNobodyElse() async throws {
    try await Bench.run(["AGENT_HEARTBEAT_TIMEOUT": "3", "HEARTBEAT_INTERVAL": "1"]) { bench in
      try await bench.client("c1")
      let silent = try await bench.register("silent")
      let lively = try await bench.register("lively")
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
          while !Task.isCancelled {
            try await bench.peer.publish([try bench.heartbeat(lively)])
            try await Task.sleep(for: .milliseconds(300))
          }
        }
        try await eventually("the silent one is offline", timeout: .seconds(60)) { try await bench.agent(silent).status == .offline }
        let row = try await bench.agent(silent)
        let age = try await bench.database.now().since(try #require(row.lastHeartbeatAt))
        #expect(age > .seconds(3))
        #expect(try await bench.agent(lively).status == .online)
        // A sign of life brings it back.
        try await bench.peer.publish([try bench.heartbeat(silent)])
        try await eventually("it is back") { try await bench.agent(silent).status == .online }
        group.cancelAll()
        do { try await group.waitForAll() } catch is CancellationError {}
      }
      #expect(bench.log.count("'silent' of client c1 is offline: no heartbeat for more than") >= 1)
    }
  }

  private func watch(_ bench: Bench) -> PresenceWatch {
    PresenceWatch(
      store: bench.database.agents, leaderLock: LeaderLock(FleetDatabase.configuration(bench.database.login), name: PresenceWatch.lockName),
      timeout: .seconds(2), logger: bench.log.logger)
  }

  /// Runs a watch on a connection of its own.
  private func withWatch(_ bench: Bench, _ body: () async throws -> Void) async throws {
    let loop = EventLoop(name: "presence-test")
    defer { loop.stop() }
    let connection = try await AMQP.Connection.open(Bench.configuration(bench.services, bench.virtualHost), on: loop)
    let watch = watch(bench)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await watch.run(on: connection) }
      try await body()
      group.cancelAll()
      do { try await group.waitForAll() } catch is CancellationError {}
    }
    await watch.leaderLock.release()
    await connection.close()
  }

  private func silentAgent(_ bench: Bench) async throws -> Agent {
    try await bench.client("c1")
    let agent = try await bench.database.register("a1")
    try await bench.database.sql("UPDATE agents SET last_heartbeat_at = NOW(3) - INTERVAL 1 HOUR")
    return agent
  }

  private func isOnline(_ agent: Agent, _ bench: Bench) async throws -> Bool {
    try await bench.database.agents.find(id: agent.id)?.status == .online
  }

  @Test func waitsForABacklogToBeRead() async throws {
    try await Bench.run(withoutServer: true) { bench in
      let channel = try await bench.peer.channel()
      try await ServerTopology.declare(on: channel)
      let agent = try await silentAgent(bench)
      let heartbeats = (0...HeartbeatDesk.batchSize).map { _ in
        Publication(Message(body: []), to: Topology.inboxExchange, routingKey: "heartbeat.c1.a1")
      }
      try await bench.peer.publish(heartbeats)
      try await withWatch(bench) {
        // Twice the time-out, for nothing to happen.
        let until = ContinuousClock.now + .seconds(4)
        while ContinuousClock.now < until {
          #expect(try await isOnline(agent, bench))
          try await Task.sleep(for: .milliseconds(200))
        }
        try await channel.purgeQueue(Topology.heartbeatsQueue)
        let start = ContinuousClock.now
        try await eventually("it is offline", timeout: .seconds(60)) { try await !isOnline(agent, bench) }
        #expect(start.duration(to: .now) > .milliseconds(1500))
      }
    }
  }

  @Test func isDoneByOneOfAllAndByAnotherWhenThatOneIsGone() async throws {
    try await Bench.run(withoutServer: true) { bench in
      try await ServerTopology.declare(on: try await bench.peer.channel())
      let agent = try await silentAgent(bench)
      let leader = LeaderLock(FleetDatabase.configuration(bench.database.login), name: PresenceWatch.lockName)
      #expect(try await leader.hold())
      try await withWatch(bench) {
        let until = ContinuousClock.now + .seconds(4)
        while ContinuousClock.now < until {
          #expect(try await isOnline(agent, bench))
          try await Task.sleep(for: .milliseconds(200))
        }
        await leader.release()
        try await eventually("the next leader has seen it", timeout: .seconds(60)) { try await !isOnline(agent, bench) }
      }
    }
  }
}
