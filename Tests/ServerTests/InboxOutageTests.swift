import AMQP
import FleetProtocol
import ServiceRuntime
import TestSupport
import Testing

@testable import Server

/// A database that goes away and a broker that takes no messages cost time, and nothing else. One pair of servers for both, one after the other.
@Suite struct InboxOutageTests {
  @Test(.timeLimit(.minutes(15))) func holdsOutAnOutageOfTheDatabaseAndAnAlarmOfTheBroker() async throws {
    let services = try await LocalServices.separate()
    do {
      try await databaseGoesAway(services)
      try await brokerTakesNothing(services)
      try await services.stop()
    } catch {
      try await services.stop()
      throw error
    }
  }

  private func databaseGoesAway(_ services: LocalServices) async throws {
    try await Bench.run(["AGENT_HEARTBEAT_TIMEOUT": "3"], services: services, withoutServer: true) { bench in
      let agents = try await HeartbeatDrainTests.agents(50, in: bench)
      let end = Timestamp.now()
      let backlog = try HeartbeatDrainTests.backlog(agents, each: 400, until: end)
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await bench.runServer() }
        group.addTask {
          try await bench.peer.publish(backlog)
        }
        try await eventually("a first batch is stored", timeout: .seconds(60)) { bench.log.count("Committed ") > 0 }
        try await services.stopDatabase()
        try await eventually("the worker has noticed", timeout: .seconds(60)) {
          bench.log.count("Database cannot be reached") > 0 || bench.log.count("Presence cannot be watched") > 0
        }
        try await services.startDatabase()
        try await HeartbeatDrainTests.waitUntilStored(agents, bench, at: end)
        try await bench.expectEmptyAfterStop()
        try await group.waitForAll()
      }
      #expect(bench.log.count("Worker is consuming") == 1, "it held what it had and gave nothing back, so nothing was delivered twice")
      #expect(try await bench.peer.drain(Topology.deadLettersQueue).isEmpty)
    }
  }

  private func brokerTakesNothing(_ services: LocalServices) async throws {
    try await Bench.run(services: services, withoutServer: true) { bench in
      let agents = try await HeartbeatDrainTests.agents(1, in: bench)
      let agent = agents[0]
      let key = agent.address.routingKey(.heartbeat)
      var nameless = try BenchMessage.signed(BenchMessage.heartbeat(agent.id), routingKey: key)
      nameless.messageID = nil
      let end = Timestamp.now()
      let unknown = try BenchMessage.signed(BenchMessage.heartbeat(randomUUID()), routingKey: key)
      try await bench.peer.publish([
        Publication(nameless, to: Topology.inboxExchange, routingKey: key, mandatory: false),
        Publication(unknown, to: Topology.inboxExchange, routingKey: key),
      ])
      try await bench.peer.publish(try HeartbeatDrainTests.backlog([agent], each: 100, until: end))
      try await services.rabbitmqctl("set_vm_memory_high_watermark", "absolute", "1MB")
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await bench.runServer() }
        // The one bad message waits, and holds up nobody: the draining is what ends an alarm.
        try await HeartbeatDrainTests.waitUntilStored([agent], bench, at: end)
        #expect(try await bench.peer.status(Topology.deadLettersQueue).messageCount == 0)
        try await services.rabbitmqctl("set_vm_memory_high_watermark", "0.5")
        let letters = try await bench.deadLetters(1)
        #expect(letters.allSatisfy { $0.message.headers["reason"] == .text("it has no message_id") })
        // Acknowledged only now, each for itself.
        try await eventually("the letters are settled") { bench.log.count("Committed ") > 0 }
        try await bench.expectEmptyAfterStop()
        try await group.waitForAll()
      }
      #expect(bench.log.count("Worker is consuming") == 1)
    }
  }
}
