import FleetProtocol
import Foundation
import ServiceRuntime
import TestSupport
import Testing

@testable import Agent

/// What `examples/commands` holds, run as an agent would run it.
@Suite struct ExampleCommandTests {
  private func withExamples(_ body: (CommandsFixture) async throws -> Void) async throws {
    let fixture = try CommandsFixture()
    let examples = "\(LocalServices.repository)/examples/commands"
    for name in try FileManager.default.contentsOfDirectory(atPath: examples) {
      try FileManager.default.copyItem(atPath: "\(examples)/\(name)", toPath: "\(fixture.path)/\(name)")
      // The working copy may be group-writable, after the developer's umask.
      let isExecutable = FileManager.default.isExecutableFile(atPath: "\(examples)/\(name)")
      try fixture.setMode(isExecutable ? 0o755 : 0o644, "\(fixture.path)/\(name)")
    }
    try await body(fixture)
  }

  private func run(_ name: String, _ parameters: JSONValue, _ fixture: CommandsFixture) async throws -> ExecutableRunner.Outcome {
    let command = Command(id: "c-1", agentID: "a-1", commandType: name, parameters: parameters, createdAt: .now(), timeoutSeconds: 60)
    let environment = CommandEnvironment(home: nil, agentID: "a-1", logicalAgentID: "agent.1", clientID: "client-1")
    return await ExecutableRunner().run(try ExecutableRunner.Request(command, file: fixture.folder.find(name), environment: environment))
  }

  @Test func theyAreTheseAndOnlyWhatChangesNothingIsRepeatable() async throws {
    try await withExamples { fixture in
      let names = fixture.folder.names()
      #expect(names == ["disk-usage", "restart-service", "switch", "switch-python"])
      let repeatable = try names.filter { try fixture.folder.find($0).isRepeatable }
      #expect(repeatable == ["disk-usage"])
    }
  }

  @Test(arguments: ["switch", "switch-python"])
  func theSwitchHookSaysWhatItWouldDoAndRefusesWhatItDoesNotUnderstand(_ name: String) async throws {
    try await withExamples { fixture in
      let good = try await run(
        name, ["target_mode": "spot", "target_pool_id": "c5.large.us-east-1a", "terminate_wait_seconds": 120], fixture)
      #expect(good.end == .exited(0), "\(good)")
      #expect(
        good.standardOutput.text == """
          \(name): agent agent.1, command c-1
          would start a spot instance in the pool c5.large.us-east-1a
          would move the work to it
          would terminate this instance after 120 s

          """)
      let ondemand = try await run(name, ["target_mode": "ondemand"], fixture)
      #expect(ondemand.standardOutput.text.contains("would start an ondemand instance\n"), "\(ondemand)")
      for bad: JSONValue in [
        [:], ["target_mode": "free"], ["target_mode": "spot", "target_pool_id": "$(reboot)"],
        ["target_mode": "spot", "terminate_wait_seconds": 86401], ["target_mode": "spot", "terminate_wait_seconds": -1],
      ] {
        let outcome = try await run(name, bad, fixture)
        #expect(
          outcome.end == .exited(2) && outcome.standardOutput.bytes == 0 && outcome.standardError.text.contains("\(name): "), "\(outcome)")
      }
    }
  }

  @Test func diskUsageFailsOnlyAboveItsLimit() async throws {
    try await withExamples { fixture in
      let all = try await run("disk-usage", [:], fixture)
      #expect(all.end == .exited(0) && all.standardOutput.text.hasPrefix("Filesystem"), "\(all)")
      #expect(try await run("disk-usage", ["path": "/", "fail_above": 100], fixture).end == .exited(0))
      #expect(try await run("disk-usage", ["path": "relative"], fixture).end == .exited(2))
      #expect(try await run("disk-usage", ["fail_above": "much"], fixture).end == .exited(2))
    }
  }

  @Test func aServiceIsRestartedOnlyWhenTheMachineAllowsIt() async throws {
    try await withExamples { fixture in
      let allowed = try await run("restart-service", ["service": "nginx.service", "dry_run": true], fixture)
      #expect(allowed.end == .exited(0) && allowed.standardOutput.text == "would restart nginx\n", "\(allowed)")
      for bad: JSONValue in ["sshd", "", "-h", "ngin.", "nginx; reboot", "nginx\nsshd", "#", "/etc/passwd"] {
        let outcome = try await run("restart-service", .object(["service": bad, "dry_run": true]), fixture)
        #expect(outcome.end == .exited(2) && outcome.standardOutput.bytes == 0, "\(outcome)")
      }
      try FileManager.default.removeItem(atPath: "\(fixture.path)/restart-service.allowed")
      #expect(try await run("restart-service", ["service": "nginx", "dry_run": true], fixture).end == .exited(2))
    }
  }
}
