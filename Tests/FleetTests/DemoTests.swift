import Foundation
import Testing
import TestSupport

/// What `script/demo` promises, with the programs that the tests were built with.
@Suite(.serialized) struct DemoTests {
  private static let demo = LocalServices.repository + "/script/demo"

  @Test func aDemoSeesEveryPromiseKeptAndLeavesNothingButItsLogs() async throws {
    let folder = temporaryFolder("once")
    defer { try? FileManager.default.removeItem(atPath: folder) }  // Nothing depends on it.
    let demo = try await start(["--once"], in: folder)
    try await demo.waitForLine(containing: "1. Three agents register", timeout: .seconds(120))

    let second = try await start(["--once"], in: folder)
    #expect(try await second.waitForExit() == .exited(3), "\(second.output)")
    #expect(second.output.contains("another demo (process \(demo.pid)) runs in"), "\(second.output)")

    let shell = try await Program.tool(
      "/bin/bash",
      [
        "-c",
        "eval \"$(\"$0\" --env --state \"$1\")\" && printf '%s\\n' \"$SPOT_OPTIMIZER_CLIENT_TOKEN\" \"$DB_PASSWORD\" && spotctl clients list && { RABBITMQCTL=false spotctl doctor || true; }",
        Self.demo, folder,
      ])
    #expect(try await shell.waitForExit() == .exited(0), "\(shell.output)")
    #expect(shell.output.contains("Demo Company"), "\(shell.output)")
    // What it says of agents and the server is another's every second: the demo stops them. This is what it finds by the variables alone. (Without rabbitmqctl,
    // which on a busy machine takes longer to start than the demo has left.)
    for check in ["signing key", "credential accepted"] {
      #expect(shell.lines.contains { $0.hasPrefix("pass  \(check) ") }, "\(check) in\n\(shell.output)")
    }
    let secrets = shell.lines.prefix(2).filter { $0.count >= 16 }
    #expect(secrets.count == 2)
    for command in try commandLines().values {
      #expect(!secrets.contains { command.contains($0) }, "a secret is in the process list: \(command)")
    }

    #expect(try await demo.waitForExit(timeout: .seconds(600)) == .exited(0), "\(demo.output)")
    for line in [
      "ERROR - HTTP error 401: POST http://127.0.0.1:", "ERROR - Response: {\"error\": \"Invalid client token\"}",
      "ERROR - HTTP error 403: POST http://127.0.0.1:", "ERROR - Response: {\"error\": \"Client account is not active\"}",
      "demo-3 answered ", "✓ three agents registered", "✓ heartbeats became rows", "✓ pings were answered", "✓ an agent killed: offline",
      "✓ started again: online", "✓ commands that are followed", "✓ a running command was called off", "✓ a rollout stopped by itself",
      "✓ and went on to its end", "✓ a spot notice: another agent switched", "✓ server stopped: the broker buffers",
      "✓ server back: everything drained",
      "✓ the command written meanwhile: answered", "✓ nobody was taken for offline",
    ] {
      #expect(demo.output.contains(line), "no '\(line)' in\n\(demo.output)")
    }
    #expect(!demo.output.contains("\u{1B}"), "colour without a terminal")
    #expect(try processes(of: folder) == [])
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == ["demo.lock", "logs"])
  }

  @Test func anInterruptWhileBrokerAndDatabaseStartLeavesNothing() async throws {
    let folder = temporaryFolder("interrupt")
    defer { try? FileManager.default.removeItem(atPath: folder) }  // Nothing depends on it.
    let demo = try await start([], in: folder)
    try await eventually("the broker is starting", timeout: .seconds(60)) {
      FileManager.default.fileExists(atPath: folder + "/services/rabbitmq/rabbitmq.pid")
    }
    demo.send(SIGINT)
    #expect(try await demo.waitForExit(timeout: .seconds(60)) == .exited(130), "\(demo.output)")
    #expect(try processes(of: folder) == [])
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder).sorted() == ["demo.lock", "logs"])
  }

  @Test func aKilledDemoTakesEverythingWithIt() async throws {
    let folder = temporaryFolder("kill")
    defer { try? FileManager.default.removeItem(atPath: folder) }  // Nothing depends on it.
    let demo = try await start([], in: folder)
    try await demo.waitForLine(containing: "demo-3 is registered", timeout: .seconds(120))
    #expect(try processes(of: folder).contains { $0.contains("spot-optimizer-agent") })
    demo.send(SIGKILL)
    try await eventually("everything has ended", timeout: .seconds(60)) { try processes(of: folder).isEmpty }
  }

  @Test func withoutADemoTheEnvironmentIsRefusedWithTheRemedy() async throws {
    let folder = temporaryFolder("none")
    let answer = try await start(["--env"], in: folder)
    #expect(try await answer.waitForExit() == .exited(3))
    #expect(answer.lines == ["script/demo: no demo is up. Start one with `script/demo` in another terminal and try again"])
    #expect(!FileManager.default.fileExists(atPath: folder))
  }

  // MARK: - Running and looking

  /// A folder with a space in its name, which does not exist yet.
  private func temporaryFolder(_ name: String) -> String {
    FileManager.default.temporaryDirectory.path + "/spot-optimizer-demo \(name) \(UUID().uuidString)"
  }

  private func start(_ options: [String], in folder: String) async throws -> Program {
    let programs = URL(fileURLWithPath: try Program.path(of: "spotctl")).deletingLastPathComponent().path
    return try await Program.tool(Self.demo, options + ["--bin", programs, "--state", folder])
  }

  /// By process id. Processes may end while they are looked at; those are skipped.
  private func commandLines() throws -> [Int32: String] {
    let ids = try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap(Int32.init)
    return Dictionary(uniqueKeysWithValues: ids.map { ($0, (try? String(contentsOfFile: "/proc/\($0)/cmdline", encoding: .utf8)) ?? "") })
  }

  /// What runs in the folder or names it in its arguments.
  private func processes(of folder: String) throws -> [String] {
    try commandLines().compactMap { id, command in
      // It may have ended since.
      let directory = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(id)/cwd")
      guard directory?.hasPrefix(folder) ?? false || command.contains(folder) else { return nil }
      return "\(id) \(command.split(separator: "\0").joined(separator: " "))"
    }
  }
}
