import FleetProtocol
import MySQL
import ServiceRuntime
import TestSupport
import Testing

@testable import Server

/// `spotctl rollouts`, on a real fleet.
@Suite struct SpotctlRolloutTests {
  private struct Answer {
    let code: Int32
    let text: String

    var rows: [JSONValue] {
      get throws {
        let json = text.split(separator: "\n").filter { !$0.hasPrefix("spotctl: ") }.joined(separator: "\n")
        guard case .array(let rows) = try WireCoding.decodeJSON(JSONValue.self, from: Array(json.utf8)) else { return [] }
        return rows
      }
    }
  }

  private func spotctl(_ fleet: Fleet, _ words: String...) async throws -> Answer {
    let program = try await fleet.run("spotctl", words, fleet.serverEnvironment(["USER": "olivia"]))
    guard case .exited(let code) = try await program.waitForExit() else { return Answer(code: -1, text: program.output) }
    return Answer(code: code, text: program.output)
  }

  private func id(_ answer: Answer) throws -> String {
    guard case .string(let id)? = try answer.rows.first?["id"] else { throw FleetFailure(description: answer.text) }
    return id
  }

  @Test func aRolloutIsTriedStartedFollowedAndCancelled() async throws {
    try await withFleet { fleet in
      let server = try await fleet.startServer()
      try await fleet.createClient()
      for name in ["web-1", "web-2"] { _ = try await fleet.startAgent(name, server) }
      for name in ["web-1", "web-2"] { try await fleet.waitForAgent(name, "is online") { $0.status == "online" } }

      let dry = try await spotctl(fleet, "rollouts", "start", "ping", "--target", "name=web-*", "--concurrency", "1", "--dry-run")
      #expect(
        dry.code == 0 && dry.text.contains("web-1") && dry.text.contains("web-2") && dry.text.contains("Nothing was written"), "\(dry)")
      #expect(try await spotctl(fleet, "rollouts", "list").text.contains("No rollouts"))

      let started = try await spotctl(fleet, "rollouts", "start", "ping", "--target", "name=web-*", "--canary", "1", "--json")
      #expect(started.code == 0, "\(started)")
      let first = try id(started)
      let followed = try await spotctl(fleet, "rollouts", "status", first, "--follow")
      #expect(followed.code == 0 && followed.text.contains("completed, 2 of 2 ended (100%)"), "\(followed)")
      #expect(
        try await fleet.number("SELECT COUNT(*) AS n FROM commands WHERE source = ? AND status = 'succeeded'", [.text("rollout:\(first)")])
          == 2)

      // What no agent has ends badly at once; the budget is spent with the first.
      let bad = try id(
        try await spotctl(
          fleet, "rollouts", "start", "no-such-command", "--target", "name=web-*", "--concurrency", "1", "--max-errors", "0", "--json"))
      let stopped = try await spotctl(fleet, "rollouts", "status", bad, "--follow")
      #expect(stopped.code == 1 && stopped.text.contains("1 error, where max-errors 0 tolerates 0: web-"), "\(stopped)")
      #expect(stopped.text.contains("paused, 1 of 2 ended (50%), 1 error"), "\(stopped)")
      let retried = try await spotctl(fleet, "rollouts", "retry", bad, "--json")
      #expect(retried.code == 0, "\(retried)")
      #expect(try retried.rows.first?["state"] == "running")
      let again = try await spotctl(fleet, "rollouts", "status", bad, "--follow", "--json")
      #expect(again.code == 1, "\(again)")
      #expect(try again.rows.first?["failed"] == 1)
      let cancelled = try await spotctl(fleet, "rollouts", "cancel", bad)
      #expect(cancelled.code == 0 && cancelled.text.contains("cancelled by olivia"), "\(cancelled)")
      let ended = try await spotctl(fleet, "rollouts", "status", bad, "--follow")
      #expect(ended.code == 1 && ended.text.contains("cancelled by olivia"), "\(ended)")
      let list = try await spotctl(fleet, "rollouts", "list", "--state", "cancelled", "--json")
      #expect(try list.rows.count == 1)
    }
  }

  @Test func aRolloutOfAnAgentThatIsAwayIsPausedAndResumed() async throws {
    try await withFleet { fleet in
      let server = try await fleet.startServer()
      try await fleet.createClient()
      _ = try await AgentStoreRow.away(fleet, "db-1")
      let rollout = try id(try await spotctl(fleet, "rollouts", "start", "ping", "--target", "all", "--json"))
      let status = try await spotctl(fleet, "rollouts", "status", rollout)
      #expect(
        status.code == 0 && status.text.contains("1 waits for its agent") && status.text.contains("waited for: 1 offline"), "\(status)")
      #expect(try await spotctl(fleet, "rollouts", "pause", rollout).text.contains("paused by olivia"))
      #expect(try await spotctl(fleet, "rollouts", "pause", rollout).code == 1)
      _ = try await fleet.startAgent("db-1", server)
      try await fleet.waitForAgent("db-1", "is online") { $0.status == "online" }
      #expect(try await fleet.number("SELECT COUNT(*) AS n FROM commands") == 0)
      #expect(try await spotctl(fleet, "rollouts", "resume", rollout, "--json").rows.first?["state"] == "running")
      #expect(try await spotctl(fleet, "rollouts", "status", rollout, "--follow").code == 0)
    }
  }

  @Test func whatIsWrongIsSaidBeforeAnythingIsWritten() async throws {
    try await withFleet { fleet in
      #expect(try await spotctl(fleet, "migrate").code == 0)
      _ = try await AgentStoreRow.away(fleet, "db-1")
      let wrong: [([String], Int32, String)] = [
        ([], 2, "--target is missing"),
        (["--target", "name="], 2, "the target is wrong at character 6"),
        (["--target", "name=nobody"], 3, "no agent fits the target 'name=nobody'"),
        (["--target", "all", "--concurrency", "0"], 2, "nothing would ever start"),
        (["--target", "all", "--concurrency", "ten"], 2, "--concurrency is 'ten'"),
        (["--target", "all", "--max-errors", "101%"], 2, "--max-errors is '101%'"),
        (["--target", "all", "--at", "tomorrow"], 2, "--at is 'tomorrow'"),
        (["--target", "all", "--at", "2026-01-31 05:00:00"], 2, "with its zone"),
        (["--target", "all", "--at", "+soon"], 2, "--at (behind the +) is 'soon'"),
        (["--target", "all", "--until", "1y"], 2, "--until is '1y'"),
      ]
      for (options, code, text) in wrong {
        let program = try await fleet.run("spotctl", ["rollouts", "start", "ping"] + options, fleet.serverEnvironment())
        #expect(try await program.waitForExit() == .exited(code), "\(options): \(program.output)")
        #expect(program.output.contains(text), "\(options): \(program.output)")
      }
      for (name, text) in [("configure", "use: spotctl configure"), ("bin/sh", "a path"), (".sh", "begins with a dot")] {
        let answer = try await spotctl(fleet, "rollouts", "start", name, "--target", "all", "--dry-run")
        #expect(answer.code == 2 && answer.text.contains("command_type is '\(name)'") && answer.text.contains(text), "\(answer)")
      }
      for order in ["status", "pause", "resume", "cancel", "retry"] {
        let answer = try await spotctl(fleet, "rollouts", order, "nothing")
        #expect(answer.code == 3 && answer.text.contains("there is no rollout 'nothing'"), "\(answer)")
      }
      #expect(try await fleet.number("SELECT COUNT(*) AS n FROM rollouts") == 0)
    }
  }
}

/// A row of an agent that has been there and is away.
private enum AgentStoreRow {
  static func away(_ fleet: Fleet, _ name: String) async throws -> Int {
    try await fleet.execute(
      "INSERT INTO agents (id, client_id, logical_agent_id, status) VALUES (?, ?, ?, 'offline')",
      [.text(randomUUID()), .text(Fleet.clientID), .text(name)])
  }
}
