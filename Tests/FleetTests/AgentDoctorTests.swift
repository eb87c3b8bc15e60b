import AMQP
import FleetProtocol
import Foundation
import MySQL
import Server
import ServiceRuntime
import TestSupport
import Testing

/// `spot-optimizer-agent doctor` names what is wrong on an agent's machine, and leaves the agent beside it alone.
@Suite struct AgentDoctorTests {
  @Test func besideARunningAgentItPassesAndTakesNothingFromIt() async throws {
    try await withFleet { fleet in
      let server = try await fleet.startServer(["AGENT_HEARTBEAT_TIMEOUT": "120"])
      try await fleet.createClient()
      let commands = try commandsFolder(fleet)
      let agent = try await fleet.startAgent("agent-001", server, ["SPOT_OPTIMIZER_COMMANDS_DIR": commands])
      let before = try #require(try await fleet.agent("agent-001"))
      let registrations = try await registrationEvents(fleet)
      let archive = "\(fleet.folder)/agent.tar.gz"
      let answer = try await doctor(
        fleet, fleet.agentEnvironment("agent-001", server, ["SPOT_OPTIMIZER_COMMANDS_DIR": commands]), ["--bundle", archive])
      #expect(answer.code == 0 && answer.failed.isEmpty && answer.unchecked.isEmpty, "\(answer)")
      for check in [
        "variables", "state folder", "server name", "server port", "health", "client token", "credential", "broker", "broker login",
        "agent process", "registration", "own queue", "heartbeat", "commands folder", "instance metadata",
      ] { #expect(answer.verdict(check) == "pass", "\(check): \(answer)") }
      let queue = try #require(before.queue)
      #expect(answer.measured("own queue")?.hasPrefix("\(queue): ") == true && answer.measured("own queue")?.contains("1 consumer") == true)
      #expect(answer.measured("registration")?.contains("\(before.id), online, generation \(before.generation)") == true, "\(answer)")
      #expect(answer.measured("agent process")?.contains("process \(agent.pid)") == true, "\(answer)")
      #expect(answer.measured("commands folder")?.contains("1 command can run: hello") == true, "\(answer)")

      // The agent has kept what it had, and works.
      let after = try #require(try await fleet.agent("agent-001"))
      #expect(after.id == before.id && after.generation == before.generation && after.queue == before.queue && after.status == "online")
      #expect(try await registrationEvents(fleet) == registrations)
      #expect(agent.exitStatus == nil && agent.count("lost its connection") == 0 && agent.count("is registered for the client") == 1)
      #expect(agent.count("takes its commands from the queue") == 1)
      #expect(try await fleet.result(of: try await fleet.insertCommand(for: "agent-001")).status == "succeeded")
      #expect(try await fleet.depth(of: Topology.deadLettersQueue) == 0)

      let unpacked = try await Program.tool("/usr/bin/env", ["tar", "-xzOf", archive])
      #expect(try await unpacked.waitForExit(timeout: .seconds(60)) == .exited(0))
      for part in [
        "SPOT_OPTIMIZER_CLIENT_TOKEN=(set, ", "\"healthy\":true", "== ip -brief address", "spot-optimizer-agent \(programVersion)",
      ] {
        #expect(unpacked.output.contains(part), "\(part)")
      }
      #expect(!unpacked.output.contains(fleet.token) && !unpacked.output.contains("eyJ") && !answer.text.contains(fleet.token))
    }
  }

  @Test func beforeTheFirstStartItSaysWhatWouldBeAndRegistersNobody() async throws {
    try await withFleet { fleet in
      let server = try await fleet.startServer()
      try await fleet.createClient()
      let answer = try await doctor(fleet, fleet.agentEnvironment("agent-001", server))
      #expect(answer.code == 0 && answer.failed.isEmpty, "\(answer)")
      #expect(answer.measured("registration")?.contains("does not know 'agent-001' yet and would register it") == true, "\(answer)")
      #expect(answer.verdict("agent process") == "warn" && answer.remedy("agent process") == "systemctl start spot-optimizer-agent")
      #expect(answer.unchecked == ["own queue", "heartbeat"], "\(answer)")
      #expect(try await fleet.number("SELECT COUNT(*) AS n FROM agents") == 0)
      #expect(!FileManager.default.fileExists(atPath: "\(fleet.folder)/agent-001"))
    }
  }

  @Test func anAgentThatHasStoppedStaysOfflineWhileItsHeartbeatIsSeenInTheTable() async throws {
    try await withFleet { fleet in
      let server = try await fleet.startServer()
      try await fleet.createClient()
      let agent = try await fleet.startAgent("agent-001", server)
      _ = try await agent.stopInGoodOrder()
      let before = try await fleet.waitForAgent("agent-001", "is offline") { $0.status == "offline" }
      let queue = try #require(before.queue)
      // The broker notices the end of a consumer a moment after the connection's.
      try await eventually("nobody reads the queue", timeout: .seconds(60)) {
        try await fleet.withChannel { try await $0.queueStatus(queue).consumerCount == 0 }
      }
      let events = try await fleet.number("SELECT COUNT(*) AS n FROM fleet_events WHERE type = 'agent.online'")
      let answer = try await doctor(fleet, fleet.agentEnvironment("agent-001", server))
      #expect(answer.code == 0 && answer.verdict("own queue") == "warn" && answer.verdict("agent process") == "warn", "\(answer)")
      #expect(answer.verdict("heartbeat") == "pass" && answer.measured("heartbeat")?.contains("it says offline") == true, "\(answer)")
      let after = try #require(try await fleet.agent("agent-001"))
      #expect(after.status == "offline" && after.generation == before.generation)
      #expect(try #require(after.lastHeartbeatAt) > before.lastHeartbeatAt ?? Timestamp(milliseconds: 0))
      #expect(try await fleet.number("SELECT COUNT(*) AS n FROM fleet_events WHERE type = 'agent.online'") == events)
    }
  }

  @Test func aWrongTokenADisabledClientAndAnUnknownNameAreEachNamed() async throws {
    try await withFleet { fleet in
      let server = try await fleet.startServer()
      try await fleet.createClient()
      let wrong = try await doctor(fleet, fleet.agentEnvironment("agent-001", server, token: "another-token-of-somebody"))
      #expect(wrong.code == 1 && wrong.failed == ["client token"], "\(wrong)")
      #expect(wrong.measured("client token")?.contains("Invalid client token") == true)
      #expect(wrong.measured("client token")?.contains("another-...body") == true && !wrong.text.contains("another-token-of-somebody"))
      #expect(
        wrong.unchecked.contains("broker login") && wrong.unchecked.contains("heartbeat") && wrong.verdict("clock") != nil, "\(wrong)")

      try await fleet.execute("UPDATE clients SET is_active = 0")
      let disabled = try await doctor(fleet, fleet.agentEnvironment("agent-001", server))
      #expect(
        disabled.failed == ["client token"] && disabled.measured("client token")?.contains("Client account is not active") == true,
        "\(disabled)")
      #expect(disabled.remedy("client token")?.contains("spotctl clients enable") == true)

      let nowhere = fleet.agentEnvironment("agent-001", server, ["SPOT_OPTIMIZER_SERVER_URL": "http://no-such-host.invalid:5000"])
      let unresolved = try await doctor(fleet, nowhere)
      #expect(unresolved.code == 1 && unresolved.failed == ["server name"], "\(unresolved)")
      #expect(unresolved.measured("server name")?.contains("[Errno -") == true, "\(unresolved)")
      #expect(unresolved.unchecked.starts(with: ["server port", "health", "clock", "credential"]), "\(unresolved)")
      #expect(unresolved.verdict("commands folder") == "pass")
    }
  }

  @Test func badVariablesAreEachNamedAndTheOthersLookedAt() async throws {
    try await withFleet { fleet in
      let server = try await fleet.startServer()
      try await fleet.createClient()
      let changes = ["HEARTBEAT_INTERVAL": "0", "SPOT_OPTIMIZER_TAGS": "role", "SPOT_OPTIMIZER_COMMANDS_DIR": "/no/such/folder"]
      let answer = try await doctor(fleet, fleet.agentEnvironment("agent-001", server, changes))
      #expect(answer.code == 1 && answer.failed == ["variables", "variables", "variables"], "\(answer)")
      for text in ["HEARTBEAT_INTERVAL is 0", "SPOT_OPTIMIZER_TAGS has the entry 'role'", "/no/such/folder"] {
        #expect(answer.text.contains(text), "\(text): \(answer)")
      }
      #expect(answer.verdict("registration") == "pass" && answer.unchecked.contains("commands folder"), "\(answer)")

      let nothing = try await doctor(fleet, ["AWS_EC2_METADATA_DISABLED": "true", "SPOT_OPTIMIZER_STATE_DIR": "\(fleet.folder)/none"])
      #expect(nothing.failed == ["variables", "variables"] && nothing.text.contains("SPOT_OPTIMIZER_SERVER_URL is not set"), "\(nothing)")
      let refused = try await fleet.run("spot-optimizer-agent", ["doctor", "--loud"], [:])
      #expect(try await refused.waitForExit(timeout: .seconds(60)) == .exited(2))
    }
  }

  @Test func aServerThatIsAwayIsNamedAndTheBrokerLookedAtWithTheCredentialOnDisk() async throws {
    try await withFleet { fleet in
      let server = try await fleet.startServer()
      try await fleet.createClient()
      let agent = try await fleet.startAgent("agent-001", server)
      try await server.program.stop()
      // Without a worker nobody answers: what the agent's queue is like, the server alone knows.
      let answer = try await doctor(fleet, fleet.agentEnvironment("agent-001", server))
      #expect(answer.code == 1 && answer.failed == ["server port", "registration"], "\(answer)")
      #expect(answer.measured("server port")?.contains("[Errno 111] Connection refused") == true, "\(answer)")
      #expect(answer.verdict("stored credential") == "pass" && answer.verdict("broker login") == "pass", "\(answer)")
      #expect(
        answer.measured("registration")?.contains("no answer within") == true && answer.verdict("agent process") == "pass", "\(answer)")
      #expect(agent.exitStatus == nil && agent.count("lost its connection") == 0)
    }
  }

  @Test func aBrokerThatTakesNothingRefusesTheCredentialOrIsAwayIsNamed() async throws {
    let services = try await LocalServices.separate()
    do {
      try await withFleet(on: services) { fleet in
        let server = try await fleet.startServer()
        try await fleet.createClient()
        let environment = fleet.agentEnvironment("agent-001", server)
        // Asked for in the same breath, the alarms are those with this one.
        try await services.rabbitmqctl("eval", "rabbit_alarm:set_alarm({{resource_limit, disk, node()}, []}), rabbit_alarm:get_alarms().")
        let blocked = try await doctor(fleet, environment)
        // The server, which cannot publish either, may say so by its health or not yet.
        #expect(blocked.failed.filter { $0 != "health" } == ["registration"], "\(blocked)")
        #expect(blocked.measured("registration")?.contains("takes no messages") == true, "\(blocked)")
        try await services.rabbitmqctl("eval", "rabbit_alarm:clear_alarm({resource_limit, disk, node()}), rabbit_alarm:get_alarms().")

        try await services.rabbitmqctl("eval", "application:set_env(rabbit, auth_backends, [rabbit_auth_backend_internal]).")
        let refused = try await doctor(fleet, environment)
        #expect(
          refused.failed.filter { $0 != "health" } == ["broker login"]
            && refused.remedy("broker login")?.contains("spotctl doctor") == true, "\(refused)")
        #expect(!refused.text.contains("eyJ"))

        try await services.stopBroker()
        let away = try await doctor(fleet, environment)
        #expect(away.code == 1 && away.failed.filter { $0 != "health" } == ["broker"], "\(away)")
        #expect(
          away.measured("broker")?.contains("[Errno 111] Connection refused") == true && away.verdict("credential") == "pass", "\(away)")
        #expect(away.unchecked.contains("broker login") && away.unchecked.contains("registration"), "\(away)")
      }
    } catch {
      try await services.stop()
      throw error
    }
    try await services.stop()
  }

  // MARK: - Support

  /// Runs it with `--json`.
  private func doctor(_ fleet: Fleet, _ environment: [String: String], _ words: [String] = []) async throws -> DoctorAnswer {
    let program = try await fleet.run("spot-optimizer-agent", ["doctor", "--json"] + words, environment)
    let status = try await program.waitForExit(timeout: .seconds(180))
    guard case .exited(let code) = status else { throw FleetFailure(description: "the doctor ended with \(status): \(program.output)") }
    return try DoctorAnswer(code: code, program)
  }

  private func registrationEvents(_ fleet: Fleet) async throws -> Int {
    try await fleet.number("SELECT COUNT(*) AS n FROM fleet_events WHERE type = 'agent.registered'")
  }

  /// A folder with one command, as safe as it must be.
  private func commandsFolder(_ fleet: Fleet) throws -> String {
    let path = "\(fleet.folder)/commands"
    let mode: [FileAttributeKey: Any] = [.posixPermissions: 0o755]
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true, attributes: mode)
    try "#!/bin/sh\necho hello\n".write(toFile: "\(path)/hello", atomically: false, encoding: .utf8)
    try FileManager.default.setAttributes(mode, ofItemAtPath: "\(path)/hello")
    // What a command reads lies beside it, and is none.
    try "somebody\n".write(toFile: "\(path)/hello.allowed", atomically: false, encoding: .utf8)
    return path
  }
}
