import AMQP
import FleetProtocol
import Foundation
import ServiceRuntime
import TestSupport
import Testing

/// Real agents and a real server: from registration to being replaced.
@Suite struct AgentLifeTests {
  @Test func heartbeatsMoveTheRowAndCommandsWrittenByBareSQLAreAnsweredOnce() async throws {
    try await withFleet { fleet in
      let server = try await fleet.startServer()
      try await fleet.createClient()
      let agent = try await fleet.startAgent("agent-001", server)

      let first = try await fleet.waitForAgent("agent-001", "is online") { $0.status == "online" && $0.lastHeartbeatAt != nil }
      let registered = try #require(first.lastHeartbeatAt)
      let second = try await fleet.waitForAgent("agent-001", "sent a heartbeat") { ($0.lastHeartbeatAt ?? registered) > registered }
      try await fleet.waitForAgent("agent-001", "sent another") { $0.lastHeartbeatAt != second.lastHeartbeatAt }

      var quickest = Duration.seconds(60)
      var ids: [String] = []
      for _ in 0..<4 {
        ids.append(try await fleet.insertCommand(for: "agent-001"))
        let row = try await fleet.result(of: ids[ids.count - 1])
        #expect(row.status == "succeeded" && row.output?.contains("\"pong\":true") == true && row.attempts == 1)
        quickest = min(quickest, row.took ?? quickest)
      }
      #expect(quickest < .seconds(2))
      for id in ids {
        #expect(try await agent.countOnceSeen("received the command \(id)") == 1)
        #expect(try await server.program.countOnceSeen("Command \(id) succeeded on agent \(first.id)") == 1)
      }

      let description = try await fleet.result(of: try await fleet.insertCommand("describe", for: "agent-001"))
      let output = try WireCoding.decodeJSON(JSONValue.self, from: Array(try #require(description.output).utf8))
      #expect(output["agent_id"] == .string(first.id) && output["logical_agent_id"] == "agent-001")
      #expect(output["client_id"] == .string(Fleet.clientID) && output["server_url"] == .string(server.url))
      #expect(output["queue"] == .string(try #require(first.queue)) && output["generation"] == 1)

      let unknown = try await fleet.result(of: try await fleet.insertCommand("format-disk", for: "agent-001"))
      #expect(unknown.status == "failed" && unknown.error?.contains("format-disk") == true)
      #expect(!agent.output.contains(fleet.token) && !server.program.output.contains(fleet.token))
    }
  }

  @Test func aKilledAgentIsOfflineAfterTheTimeoutAndComesBackUnderItsRowWithItsCommands() async throws {
    try await withFleet { fleet in
      let server = try await fleet.startServer(["AGENT_HEARTBEAT_TIMEOUT": "3"])
      try await fleet.createClient()
      let killed = try await fleet.startAgent("agent-001", server)
      let before = try await fleet.waitForAgent("agent-001", "is online") { $0.status == "online" }
      try await killed.stop()
      try await fleet.waitForAgent("agent-001", "is offline") { $0.status == "offline" }
      try await server.program.waitForLine(containing: "'agent-001' of client \(Fleet.clientID) is offline: no heartbeat for more than 3s")

      // Into the queue of the process that is dead.
      var ids: [String] = []
      for _ in 0..<5 { ids.append(try await fleet.insertCommand(for: "agent-001")) }
      let queued = "SELECT COUNT(*) AS n FROM commands WHERE status = 'queued' AND generation = 1"
      try await eventually("the commands are queued") { try await fleet.number(queued) == 5 }
      let oldQueue = try #require(before.queue)
      try await eventually("its queue holds them") { try await fleet.depth(of: oldQueue) == 5 }

      let reborn = try await fleet.startAgent("agent-001", server)
      let after = try await fleet.waitForAgent("agent-001", "is online again") { $0.status == "online" }
      #expect(after.id == before.id && after.generation == 2 && after.queue != oldQueue)
      for id in ids {
        #expect(try await fleet.result(of: id).status == "succeeded")
        #expect(try await reborn.countOnceSeen("received the command \(id)") == 1)
      }
      #expect(try await fleet.number("SELECT COUNT(*) AS n FROM agents") == 1)
      await #expect(throws: AMQPError.self) { try await fleet.depth(of: oldQueue) }
    }
  }

  @Test func anAgentWhoseRowIsDeletedRegistersAgainByItself() async throws {
    try await withFleet { fleet in
      let server = try await fleet.startServer()
      try await fleet.createClient()
      let agent = try await fleet.startAgent("agent-001", server)
      let before = try await fleet.waitForAgent("agent-001", "is online") { $0.status == "online" }

      try await fleet.execute("DELETE FROM agents WHERE logical_agent_id = 'agent-001'")
      try await agent.waitForLine(containing: "ERROR - AMQP error 404: PUBLISH amqp://127.0.0.1:")
      try await agent.waitForLine(containing: #"ERROR - Response: {"error": "Agent not found"}"#)
      let after = try await fleet.waitForAgent("agent-001", "is online again") { $0.status == "online" }
      #expect(after.id != before.id)
      #expect(try await fleet.result(of: try await fleet.insertCommand(for: "agent-001")).status == "succeeded")
      let registered = try #require(after.lastHeartbeatAt)
      try await fleet.waitForAgent("agent-001", "sends heartbeats") { ($0.lastHeartbeatAt ?? registered) > registered }
      #expect(agent.exitStatus == nil)
    }
  }

  @Test func ofTwoProcessesUnderOneNameTheNewerWorksAndTheOlderSaysSoUntilItIsNeeded() async throws {
    try await withFleet { fleet in
      let server = try await fleet.startServer()
      try await fleet.createClient()
      let older = try await fleet.startAgent("agent-001", server)
      let newer = try await fleet.startAgent("agent-001", server, ["SPOT_OPTIMIZER_STATE_DIR": "\(fleet.folder)/newer"])

      let conflict = "Another agent runs under the logical id agent-001"
      try await older.waitForLine(containing: conflict)
      #expect(older.output.contains("ERROR - AMQP error 409: PUBLISH amqp://127.0.0.1:"))
      let row = try #require(try await fleet.agent("agent-001"))
      #expect(row.generation == 2 && row.status == "online")
      let ping = try await fleet.insertCommand(for: "agent-001")
      #expect(try await fleet.result(of: ping).status == "succeeded")
      #expect(try await newer.countOnceSeen("received the command \(ping)") == 1)
      #expect(older.count("received the command \(ping)") == 0)

      // A round of retries later nothing has changed hands.
      try await eventually("the older tries again", timeout: .seconds(120)) { older.count(conflict) >= 2 }
      #expect(try await fleet.agent("agent-001")?.generation == 2)
      #expect(newer.count("is registered for the client") == 1 && newer.count(conflict) == 0)

      // The name is free again: the one that waited takes it, and is not kept out by its own heartbeats.
      try await newer.stop()
      try await fleet.waitForAgent("agent-001", "has changed hands", timeout: .seconds(180)) { $0.generation == 3 }
      #expect(try await fleet.result(of: try await fleet.insertCommand(for: "agent-001")).status == "succeeded")
    }
  }
}
