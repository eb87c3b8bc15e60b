import FleetProtocol
import Foundation
import Glibc
import MySQL
import ServiceRuntime
import TestSupport
import Testing

/// A command's whole life with a real server, agent and tool: followed, called off while it runs, and given up when its agent is gone.
@Suite struct CommandLifeTests {
  /// A folder of executables that only their owner may write. A shell writes them: a descriptor of this process may be inherited by a program that
  /// another test is just starting, and a file that somebody has open for writing cannot be run (ETXTBSY).
  private func commands(_ fleet: Fleet, _ scripts: [String: String]) async throws -> String {
    let folder = "\(fleet.folder)/commands"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
    for (name, script) in scripts {
      let writer = try await Program.tool(
        "/bin/sh", ["-c", "printf '%s' \"$1\" > \"$2\" && chmod 755 \"$2\"", "sh", "#!/bin/sh\n\(script)\n", "\(folder)/\(name)"])
      #expect(try await writer.waitForExit() == .exited(0))
    }
    return folder
  }

  private func tool(_ fleet: Fleet, _ words: String...) async throws -> Program {
    try await fleet.run("spotctl", words, fleet.serverEnvironment())
  }

  private func status(_ id: String, _ fleet: Fleet) async throws -> String {
    try await fleet.rows("SELECT status FROM commands WHERE id = ?", [.text(id)]).first?.string("status") ?? "none"
  }

  @Test func itsOutputIsShownWhileItRunsAndItsExitCodeIsTheTools() async throws {
    try await withFleet { fleet in
      let gate = "\(fleet.folder)/gate"
      let folder = try await commands(
        fleet, ["report": "echo first\necho oops >&2\nwhile [ ! -e '\(gate)' ]; do sleep 0.02; done\necho last\nexit 3"])
      let server = try await fleet.startServer()
      try await fleet.createClient()
      _ = try await fleet.startAgent("a1", server, ["SPOT_OPTIMIZER_COMMANDS_DIR": folder])
      let follower = try await tool(fleet, "commands", "send", "a1", "report", "--follow")
      try await follower.waitForLine(containing: "first", timeout: .seconds(60))
      try await follower.waitForLine(containing: "oops", timeout: .seconds(60))
      #expect(follower.exitStatus == nil && follower.count("last") == 0, "it is shown while the command runs")
      try Data().write(to: URL(fileURLWithPath: gate))
      #expect(try await follower.waitForExit(timeout: .seconds(60)) == .exited(3), "\(follower.output)")
      #expect(follower.count("first") == 1 && follower.count("oops") == 1 && follower.count("last") == 1, "\(follower.output)")
      let types = try await fleet.rows("SELECT type FROM fleet_events WHERE type LIKE 'command.%' ORDER BY seq").map {
        try $0.string("type")
      }
      // What is started at once need not be reported as delivered before, and its report may be quicker than the dispatcher that marks it as queued.
      let always = types.filter { $0 != "command.queued" && $0 != "command.delivered" }
      #expect(always == ["pending", "running", "failed"].map { "command.\($0)" }, "\(types)")
      #expect(
        try await fleet.number("SELECT COUNT(*) AS n FROM commands WHERE delivered_at <= started_at AND started_at < finished_at") == 1)
    }
  }

  @Test func aRunningCommandIsCalledOffWithItsGroupAndSaysSo() async throws {
    try await withFleet { fleet in
      let pid = "\(fleet.folder)/pid"
      let folder = try await commands(fleet, ["endless": "sleep 600 & echo $! > '\(pid)'\necho waiting\nwait"])
      let server = try await fleet.startServer()
      try await fleet.createClient()
      _ = try await fleet.startAgent("a1", server, ["SPOT_OPTIMIZER_COMMANDS_DIR": folder])
      let id = try await fleet.insertCommand("endless", for: "a1")
      let child = try await eventualValue("the command runs", timeout: .seconds(60)) {
        // Not there before the command has written it.
        (try? String(contentsOfFile: pid, encoding: .utf8)).flatMap { pid_t($0.trimmingWhitespace()) }
      }
      try await eventually("the server knows", timeout: .seconds(60)) { try await status(id, fleet) == "running" }
      #expect(try await tool(fleet, "commands", "cancel", id).waitForExit() == .exited(0))
      try await eventually("it is cancelled", timeout: .seconds(60)) { try await status(id, fleet) == "cancelled" }
      try await eventually("its child is killed too") { kill(child, 0) != 0 }
      let row = try #require(try await fleet.rows("SELECT ended_by, error, stdout FROM commands WHERE id = ?", [.text(id)]).first)
      #expect(try row.string("ended_by") == "agent" && row.string("stdout").contains("waiting"))
    }
  }

  @Test func aCommandOfASilentAgentIsTimedOutAndCorrectedWhenItSpeaks() async throws {
    try await withFleet { fleet in
      let gate = "\(fleet.folder)/gate"
      let folder = try await commands(fleet, ["slow": "while [ ! -e '\(gate)' ]; do sleep 0.02; done\necho done"])
      let server = try await fleet.startServer()
      try await fleet.createClient()
      _ = try await fleet.startAgent("a1", server, ["SPOT_OPTIMIZER_COMMANDS_DIR": folder])
      let id = try await fleet.insertCommand("slow", for: "a1")
      try await eventually("it runs", timeout: .seconds(60)) { try await status(id, fleet) == "running" }
      // As if its time were over: no test waits a minute and a half.
      try await fleet.execute("UPDATE commands SET run_until = NOW(3) WHERE id = ?", [.text(id)])
      try await eventually("the server gives it up") { try await status(id, fleet) == "timed_out" }
      try Data().write(to: URL(fileURLWithPath: gate))
      try await eventually("the agent's word counts", timeout: .seconds(60)) { try await status(id, fleet) == "succeeded" }
      let events = try await fleet.rows("SELECT data FROM fleet_events WHERE type = 'command.succeeded'").map { try $0.string("data") }
      #expect(events.count == 1 && events[0].contains(#""corrects":"timed_out""#), "\(events)")
    }
  }
}
