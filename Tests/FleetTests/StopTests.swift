import AMQP
import FleetProtocol
import Foundation
import ServiceRuntime
import TestSupport
import Testing

/// SIGTERM and SIGINT: everybody ends quickly and nothing is lost.
@Suite struct StopTests {
  @Test func aStoppedAgentEndsWithinSecondsAndItsRowSaysOffline() async throws {
    try await withFleet { fleet in
      // Far longer than the test: it is the agent's own word that makes the row offline.
      let server = try await fleet.startServer(["AGENT_HEARTBEAT_TIMEOUT": "600"])
      try await fleet.createClient()
      for (name, signal) in [("terminated", SIGTERM), ("interrupted", SIGINT)] {
        let agent = try await fleet.startAgent(name, server)
        try await fleet.waitForAgent(name, "is online") { $0.status == "online" }
        let (status, took) = try await agent.stopInGoodOrder(by: signal)
        #expect(status == .exited(0) && took < .seconds(5), "\(agent.output)")
        try await fleet.waitForAgent(name, "is offline") { $0.status == "offline" }
      }

      // Without a server the last word waits in the queue.
      let agent = try await fleet.startAgent("alone", server)
      try await fleet.waitForAgent("alone", "is online") { $0.status == "online" }
      try await server.program.stop()
      let (status, took) = try await agent.stopInGoodOrder()
      #expect(status == .exited(0) && took < .seconds(5), "\(agent.output)")
      #expect(try await fleet.agent("alone")?.status == "online")
      _ = try await fleet.startServer(role: "worker", ["AGENT_HEARTBEAT_TIMEOUT": "600"])
      try await fleet.waitForAgent("alone", "is offline") { $0.status == "offline" }
    }
  }

  @Test(arguments: [SIGTERM, SIGINT])
  func aServerStoppedInTheMiddleOfHeartbeatsLosesNone(_ signal: Int32) async throws {
    try await withFleet { fleet in
      let first = try await fleet.startServer(role: "worker", ["LOG_LEVEL": "DEBUG", "AGENT_HEARTBEAT_TIMEOUT": "600"])
      try await fleet.createClient()
      let crowd = try await Crowd(fleet, count: 300)
      let rounds = 20
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { for round in 1...rounds { try await crowd.publishHeartbeats(round: round) } }
        try await first.program.waitForLine(containing: "Committed ")
        let (status, took) = try await first.program.stopInGoodOrder(by: signal)
        #expect(status == .exited(0) && took < .seconds(10), "\(first.program.output)")
        try await group.waitForAll()
      }
      #expect(try await crowd.countAt(round: rounds) < crowd.count, "it was stopped too late to show anything")
      #expect(try await fleet.depth(of: Topology.heartbeatsQueue) > 0)

      _ = try await fleet.startServer(role: "worker", ["AGENT_HEARTBEAT_TIMEOUT": "600"])
      try await eventually("every agent's newest heartbeat is in its row", timeout: .seconds(60)) {
        try await crowd.countAt(round: rounds) == crowd.count
      }
      try await eventually("the queue is empty") { try await fleet.depth(of: Topology.heartbeatsQueue) == 0 }
      #expect(try await fleet.depth(of: Topology.deadLettersQueue) == 0)
    }
  }

  @Test func aServerStoppedInTheMiddleOfDispatchingSendsEveryCommandOnce() async throws {
    try await withFleet { fleet in
      let first = try await fleet.startServer(role: "worker")
      try await fleet.createClient()
      let crowd = try await Crowd(fleet, count: 3)
      try await crowd.declareQueues()
      let commands = 6000
      try await crowd.insertCommands(commands)
      try await first.program.waitForLine(containing: "is in the queue of agent")
      let (status, took) = try await first.program.stopInGoodOrder()
      #expect(status == .exited(0) && took < .seconds(10), "\(first.program.output)")
      let waiting = "SELECT COUNT(*) AS n FROM commands WHERE status = 'pending'"
      #expect(try await fleet.number(waiting) > 0, "it was stopped too late to show anything")
      #expect(try await fleet.number(waiting + " AND lease_until IS NOT NULL") == 0, "no lease is left to run out")

      _ = try await fleet.startServer(role: "worker")
      try await eventually("all are queued", timeout: .seconds(60)) { try await fleet.number(waiting) == 0 }
      #expect(try await crowd.messagesInQueues() == commands)
      #expect(try await fleet.number("SELECT COUNT(*) AS n FROM commands WHERE status = 'queued' AND attempts = 1") == commands)
    }
  }
}
