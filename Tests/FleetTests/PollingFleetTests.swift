import FleetProtocol
import Foundation
import MySQL
import ServiceRuntime
import TestSupport
import Testing

/// A v4 agent works for a real server, moves to AMQP by the new program's start, and back.
@Suite struct PollingFleetTests {
  private func status(_ id: String, _ fleet: Fleet) async throws -> String {
    try await fleet.rows("SELECT status FROM commands WHERE id = ?", [.text(id)]).first?.string("status") ?? "none"
  }

  private func insert(_ type: String, priority: Int, _ fleet: Fleet) async throws -> String {
    let id = try await fleet.insertCommand(type, for: "web-1", parameters: #"{"target_mode":"spot"}"#)
    try await fleet.execute("UPDATE commands SET priority = ? WHERE id = ?", [.int(Int64(priority)), .text(id)])
    return id
  }

  /// An executable `switch` that leaves a line for each of its runs.
  private func commands(_ fleet: Fleet, effects: String) async throws -> String {
    let folder = "\(fleet.folder)/commands"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
    // A shell writes it: a file that a program of another test has inherited open for writing cannot be run (ETXTBSY).
    let script = "#!/bin/sh\necho \"$SPOT_OPTIMIZER_COMMAND_ID\" >> '\(effects)'\n"
    let writer = try await Program.tool(
      "/bin/sh", ["-c", "printf '%s' \"$1\" > \"$2\" && chmod 755 \"$2\"", "sh", script, "\(folder)/switch"])
    #expect(try await writer.waitForExit() == .exited(0))
    return folder
  }

  @Test func anOldAgentWorksMovesToAMQPWithItsWaitingCommandsAndBack() async throws {
    try await withFleet { fleet in
      let effects = "\(fleet.folder)/effects"
      let folder = try await commands(fleet, effects: effects)
      let server = try await fleet.startServer(["AGENT_HEARTBEAT_TIMEOUT": "60"])
      try await fleet.createClient()
      let old = PollingAgent("web-1", server: server, token: fleet.token)

      // At work.
      let id = try await old.register()
      for _ in 1...20 { try await old.beat(id) }
      let row = try #require(try await fleet.agent("web-1"))
      #expect(row.id == id && row.status == "online" && row.queue == nil)
      let normal = try await insert("switch", priority: 25, fleet)
      let critical = try await insert("create_replica", priority: 100, fleet)
      #expect(try await old.poll(id) == [critical, normal])
      try await old.report(critical, of: id, success: true, "made")
      try await old.report(normal, of: id, success: false, "no capacity")
      #expect(try await old.poll(id) == [])
      #expect(try await status(critical, fleet) == "succeeded")
      #expect(try await status(normal, fleet) == "failed")
      for report in ["switch-report", "cleanup-report"] { try await old.call("POST", "\(id)/\(report)", ["old_instance": "i-old"]) }
      #expect(try await fleet.number("SELECT COUNT(*) AS n FROM system_events WHERE event_type LIKE 'agent\\_%\\_report'") == 2)
      let ping = try await fleet.result(of: try await fleet.insertCommand(for: "web-1"))
      #expect(ping.status == "undeliverable" && ping.error?.contains("start spot-optimizer-agent with the same logical id") == true)

      // Two commands wait, one was fetched and is being run, when the new program starts.
      let running = try await insert("switch", priority: 25, fleet)
      #expect(try await old.poll(id) == [running])
      let waiting = [try await insert("switch", priority: 25, fleet), try await insert("switch", priority: 75, fleet)]
      try await eventually("the claims have put them aside") {
        try await fleet.number("SELECT COUNT(*) AS n FROM commands WHERE status = 'queued' AND generation IS NULL") == 2
      }
      let agent = try await fleet.startAgent("web-1", server, ["SPOT_OPTIMIZER_COMMANDS_DIR": folder])
      let moved = try await fleet.waitForAgent("web-1", "has moved") { $0.queue != nil }
      #expect(moved.id == id)
      for command in waiting {
        try await eventually("the new program has run it", timeout: .seconds(60)) { try await status(command, fleet) == "succeeded" }
      }
      // The old process lives on for a while: it is given nothing, and its word about what it had fetched counts.
      #expect(try await old.poll(id) == [])
      try await old.beat(id)
      #expect(try await fleet.agent("web-1")?.queue == moved.queue)
      try await server.program.waitForLine(containing: "still polls as agent \(id) 'web-1'")
      try await old.report(running, of: id, success: true, "switched")
      #expect(try await status(running, fleet) == "succeeded")
      let runs = try String(contentsOfFile: effects, encoding: .utf8).split(separator: "\n").map(String.init)
      #expect(runs.sorted() == waiting.sorted(), "each once, and never the one that was fetched")

      // Back: the new program is stopped, a command comes into its queue, and the old one registers.
      #expect(try await agent.stopInGoodOrder().status == .exited(0))
      let left = try await insert("switch", priority: 25, fleet)
      try await eventually("it is in the queue") { try await status(left, fleet) == "queued" }
      #expect(try await old.register() == id)
      let back = try #require(try await fleet.agent("web-1"))
      #expect(back.queue == nil && back.generation == moved.generation + 1 && back.status == "online")
      let queue = try #require(moved.queue)
      await #expect(throws: (any Error).self, "its queue is gone") { try await fleet.depth(of: queue) }
      #expect(try await old.poll(id) == [left])
      try await old.report(left, of: id, success: true, "switched")
      #expect(try await status(left, fleet) == "succeeded")
      #expect(try await fleet.number("SELECT COUNT(*) AS n FROM agents") == 1)
      #expect(!server.program.output.contains(fleet.token))
    }
  }
}
