import Foundation
import ServiceRuntime
import TestSupport
import Testing

/// Exactly-once effect: an agent is killed at every step of a command's life, over and over, and no command is lost or does its work twice.
@Suite struct AgentCrashTests {
  /// What `JournalStep` names, in its order; by word, because the agent's own types are not this suite's business.
  private static let steps = [
    "arrived", "accepted", "acknowledged", "started", "running", "ended", "finished", "confirmed", "recorded", "removed",
  ]
  private static let agents = 2
  private static let kills = 104

  /// Commands that write their id into a file when they do their work.
  private func commandsFolder(_ fleet: Fleet) throws -> (commands: String, effects: String) {
    let commands = "\(fleet.folder)/commands"
    let effects = "\(fleet.folder)/effects"
    try FileManager.default.createDirectory(atPath: commands, withIntermediateDirectories: true)
    try Data("#!/bin/sh\necho \"$SPOT_OPTIMIZER_COMMAND_ID\" >> '\(effects)'\n".utf8).write(to: URL(fileURLWithPath: "\(commands)/note"))
    for path in [fleet.folder, commands, "\(commands)/note"] {
      try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
    }
    return (commands, effects)
  }

  /// Gives the agent as much to do as it needs to come to its end, and no more: what is left over comes again to the next one. Returns the ids.
  private func untilEnd(of program: Program, _ name: String, _ fleet: Fleet) async throws -> [String] {
    let open =
      "SELECT COUNT(*) AS n FROM commands c JOIN agents a ON a.id = c.agent_id WHERE a.logical_agent_id = ? AND c.finished_at IS NULL"
    var ids: [String] = []
    while program.exitStatus == nil {
      if ids.isEmpty {
        // A busy machine leaves more than these two over.
        let missing = max(0, 2 - (try await fleet.number(open, [.text(name)])))
        for _ in 0..<missing { ids.append(try await fleet.insertCommand("note", for: name)) }
      }
      if (try? await program.waitForExit(timeout: .seconds(2))) == nil { ids.append(try await fleet.insertCommand("note", for: name)) }
    }
    return ids
  }

  @Test func anAgentThatIsKilledAtEachStepNeitherLosesNorRepeatsACommand() async throws {
    try await withFleet { fleet in
      let server = try await fleet.startServer(["AGENT_HEARTBEAT_TIMEOUT": "120"])
      try await fleet.createClient()
      let (commands, effects) = try commandsFolder(fleet)
      let start = ContinuousClock.now
      let killed = Lock(0)
      let ids = Lock<[String]>([])
      try await withThrowingTaskGroup(of: Void.self) { group in
        for number in 0..<Self.agents {
          group.addTask {
            let name = "agent-\(number)"
            let environment = fleet.agentEnvironment(
              name, server, ["SPOT_OPTIMIZER_COMMANDS_DIR": commands, "SPOT_OPTIMIZER_MAX_CONCURRENT_COMMANDS": "2"])
            // It is registered before the first command can be written.
            var program = try await fleet.run("dying-agent", ["removed", "1"], environment)
            try await program.waitForLine(containing: "takes its commands from the queue", timeout: .seconds(60))
            for round in 1...(Self.kills / Self.agents) {
              let written = try await untilEnd(of: program, name, fleet)
              ids.withLock { $0 += written }
              #expect(program.exitStatus == .signalled(SIGKILL))
              killed.withLock { $0 += 1 }
              // The first or the second time that a command comes there.
              let step = Self.steps[(round + number) % Self.steps.count]
              program = try await fleet.run("dying-agent", [step, "\(1 + round / Self.steps.count % 2)"], environment)
            }
            // The last one is killed as well, should there be anything left for it to do.
            program.send(SIGKILL)
            try await program.waitForExit()
            _ = try await fleet.run("spot-optimizer-agent", [], environment)
          }
        }
        try await group.waitForAll()
      }
      let open = "SELECT COUNT(*) AS n FROM commands WHERE status IN ('pending', 'queued', 'delivered', 'running')"
      try await eventually("every command has ended", timeout: .seconds(90)) { try await fleet.number(open) == 0 }

      let done = try String(contentsOfFile: effects, encoding: .utf8).split(separator: "\n").map(String.init)
      let repeated = Dictionary(grouping: done) { $0 }.filter { $0.value.count > 1 }.keys
      #expect(repeated.isEmpty, "repeated: \(repeated)")
      var lost: [String] = []
      var counts: [String: Int] = [:]
      for row in try await fleet.rows("SELECT id, status, error FROM commands") {
        let (id, status, error) = (try row.string("id"), try row.string("status"), try row.optionalString("error") ?? "")
        counts[status, default: 0] += 1
        switch status {
        // What it did is there.
        case "succeeded": if !done.contains(id) { lost.append("\(id) succeeded without its effect") }
        // It was running at the moment of a kill: it did its work or did not, and the report says that nobody knows.
        case "failed": if !error.contains("The agent ended while the command ran") { lost.append("\(id) failed: \(error)") }
        default: lost.append("\(id) is \(status): \(error)")
        }
      }
      let (kills, all) = (killed.withLock { $0 }, ids.withLock { $0 })
      #expect(lost == [] && counts.values.reduce(0, +) == all.count && Set(done).isSubset(of: all))
      #expect(kills >= 100)
      print(
        "\(kills) kills in \(start.duration(to: .now).inSeconds) s: \(all.count) commands, \(counts), \(lost.count) lost, \(repeated.count) repeated"
      )
    }
  }
}
