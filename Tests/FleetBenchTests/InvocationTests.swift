import ServiceRuntime
import Testing

@testable import FleetBench

/// The command line, and the lines of other programs.
struct InvocationTests {
  @Test func scenariosTakeTheSameOptions() throws {
    guard case .ingest(let options) = try Invocation(["ingest", "--json", "--heartbeats", "5000", "--runs", "5", "--limits", "/tmp"]) else {
      Issue.record("this is no ingest")
      return
    }
    #expect(options.asJSON && options.heartbeats == 5000 && options.runs == 5 && options.programs.limits == "/tmp")
    guard case .steady(let steady) = try Invocation(["steady"]) else {
      Issue.record("this is no steady")
      return
    }
    #expect(steady.runs == 1)
    guard case .grow(let grow) = try Invocation(["grow", "--agents", "50,700", "--history", "9"]) else {
      Issue.record("this is no grow")
      return
    }
    #expect(grow.runs == 1 && grow.agents == [50, 700] && grow.history == [9] && grow.beating == 50)
  }

  @Test(
    arguments: [
      (["ingest", "--heartbeats", "100"], "--heartbeats", "fewer than the 4000 agents"),
      (["dispatch", "--agents", "0"], "--agents", "'0'"),
      (["storm", "--agents"], "--agents", "no value"), (["agent", "--wat"], "the argument", "none of agent's"),
      (["drain"], "the command", "'drain'"), (["grow", "--agents", "1000,100"], "--agents", "'1000,100'"),
      (["grow", "--history", "0"], "--history", "'0'"), (["grow", "--history", "5,"], "--history", "'5,'"),
      (["grow", "--heartbeats", "999"], "--heartbeats", "fewer than the 1000 agents"),
    ] as [([String], String, String)])
  func badArgumentsAreNamed(_ arguments: [String], _ name: String, _ problem: String) {
    let error = #expect(throws: ConfigurationError.self) { try Invocation(arguments) }
    #expect(error?.description.contains(name) == true && error?.description.contains(problem) == true, "\(String(describing: error))")
  }

  @Test func everyScenarioHasHelp() throws {
    for word in ["ingest", "dispatch", "agent", "storm", "steady", "grow", "commands", "notices", "agents", "priorities"] {
      guard case .print(let text) = try Invocation([word, "--help"]) else {
        Issue.record("\(word) has no help")
        continue
      }
      #expect(text.hasPrefix("usage: fleet-bench \(word) "))
      #expect(Usage.program.contains("\n  \(word) "))
    }
  }

  @Test func commitsAreReadFromTheWorkersLog() {
    #expect(ServerProcess.committed("2026-01-01 00:00:00 DEBUG - Committed 1234 heartbeats of 200 agents") == 1234)
    #expect(ServerProcess.committed("2026-01-01 00:00:00 DEBUG - Committed 12 results") == nil)
    #expect(ServerProcess.committed("2026-01-01 00:00:00 INFO - Worker is consuming from x") == nil)
  }

  @Test func linesOfProcAreFoundByName() throws {
    let status = try #require(ProcFile("/proc/self/status"))
    #expect((status["Threads"] ?? 0) > 0)
    #expect(status["Thread"] == nil)
    #expect(ProcFile("/proc/self/no-such-file") == nil)
  }
}
