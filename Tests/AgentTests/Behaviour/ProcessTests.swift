import FleetProtocol
import Foundation
import HTTP
import HTTPServing
import ServiceRuntime
import TestSupport
import Testing

@testable import Agent

extension AgentBehaviour {
  /// The executable itself: what it writes, how it ends, how long that takes.
  @Suite struct Processes {
    private static let program = "spot-optimizer-agent"

    private func expectEnd(_ program: Program, _ expected: TestSupport.ExitStatus) async throws {
      let status = try await program.waitForExit()
      #expect(status == expected, "\(program.output)")
    }

    /// Sends a signal and expects exit 0 within five seconds.
    private func expectStop(_ program: Program, by signal: Int32 = SIGTERM) async throws {
      let start = ContinuousClock.now
      program.send(signal)
      try await expectEnd(program, .exited(0))
      #expect(start.duration(to: .now) < .seconds(5), "\(program.output)")
    }

    @Test func theBannerIsTheGuidesAndTheStartDoesNotWaitForTheMetadataOffEC2() async throws {
      try await withPeer { handle in
        // 192.0.2.1 (RFC 5737) answers nobody, like the metadata address off EC2.
        let environment = handle.environment([
          "AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://192.0.2.1",
        ])
        let start = ContinuousClock.now
        try await withProgram(Self.program, environment: environment) { program in
          try await program.waitForLine(containing: "is registered for the client")
          // A connection that nobody answers is given up by the system after two minutes.
          #expect(start.duration(to: .now) < .seconds(20))
          let rule = String(repeating: "=", count: 60)
          #expect(
            program.lines.prefix(7) == [
              rule, "AGENT STARTUP - SERVER CONNECTIVITY CHECK", rule, "Server URL: \(handle.peer.url)",
              "Client Token: \(tokenPreview(handle.peer.token))", "✓ Server is reachable (health check passed)", rule,
            ])
          try await expectStop(program)
        }
      }
    }

    @Test(arguments: [SIGTERM, SIGINT])
    func aSignalStopsARunningAgentAfterItsFarewell(_ signal: Int32) async throws {
      try await withPeer { handle in
        try await withProgram(Self.program, environment: handle.environment()) { program in
          try await program.waitForLine(containing: "takes its commands from the queue")
          try await expectStop(program, by: signal)
          #expect(program.output.contains("said that it is offline"))
        }
        try await eventually("the farewell") { await handle.peer.heartbeats.last?.body.status == .offline }
      }
    }

    @Test func aServerThatIsNotThereEndsTheStartWithTheGuidesLines() async throws {
      // Port 1 of loopback: nobody listens.
      let environment = [
        "SPOT_OPTIMIZER_SERVER_URL": "http://127.0.0.1:1", "SPOT_OPTIMIZER_CLIENT_TOKEN": "abc12345-0000-0000-xyz9",
        "SPOT_OPTIMIZER_STATE_DIR": temporaryFolder(),
      ]
      try await withProgram(Self.program, environment: environment) { program in
        try await expectEnd(program, .exited(1))
        let output = program.output
        #expect(output.contains("Client Token: abc12345...xyz9"))
        #expect(output.contains("WARNING - Connection error (attempt 1/3): GET http://127.0.0.1:1/health - retrying in 1s"))
        #expect(output.contains("WARNING - Connection error (attempt 2/3): GET http://127.0.0.1:1/health - retrying in 2s"))
        #expect(
          output.contains("ERROR - Connection error after 3 attempts: GET http://127.0.0.1:1/health - [Errno 111] Connection refused"))
        #expect(output.contains("ERROR - Server URL configured as: http://127.0.0.1:1"))
        #expect(output.contains("ERROR - Verify server is running and CLIENT_TOKEN is valid"))
        #expect(output.contains("✗ Server is not reachable (health check failed)"))
        #expect(!output.contains("abc12345-0000"))
      }
    }

    @Test func aHealthThatIsNoneEndsTheStart() async throws {
      try await withPeer({ $0.healthStatus = 503 }) { handle in
        try await withProgram(Self.program, environment: handle.environment()) { program in
          try await expectEnd(program, .exited(1))
          #expect(program.output.contains("ERROR - HTTP error 503: GET \(handle.peer.url)/health"))
          #expect(program.output.contains(#"ERROR - Response: {"error": "no database", "status": "unhealthy"}"#))
          #expect(program.output.contains("✗ Server answers with 503 (health check failed)"))
          #expect(program.output.contains("spotctl doctor") && !program.output.contains("not reachable"))
        }
      }
    }

    @Test func aWrongTokenEndsTheStartWithTheGuidesLines() async throws {
      try await withPeer { handle in
        let environment = handle.environment(["SPOT_OPTIMIZER_CLIENT_TOKEN": "abc12345-0000-0000-xyz9"])
        try await withProgram(Self.program, environment: environment) { program in
          try await expectEnd(program, .exited(3))
          #expect(
            program.lines.suffix(4).map { $0.split(separator: " ", maxSplits: 2).last ?? "" } == [
              "ERROR - HTTP error 401: POST \(handle.peer.url)/api/broker/credentials",
              #"ERROR - Response: {"error": "Invalid client token"}"#, "ERROR - Authentication failed - check CLIENT_TOKEN configuration",
              "ERROR - Current token: abc12345...xyz9",
            ])
        }
      }
    }

    @Test(arguments: ["", "[]", "<html>", #"{"brokers":["amqp://:1"]}"#])
    func anAnswerThatIsNoCredentialEndsTheStartWithItsReason(_ body: String) async throws {
      try await withPeer({ $0.credentialRefusal = .json(200, Array(body.utf8)) }) { handle in
        try await withProgram(Self.program, environment: handle.environment()) { program in
          try await expectEnd(program, .exited(1))
          #expect(
            program.output.contains("ERROR - Unusable answer: POST \(handle.peer.url)/api/broker/credentials - "), "\(program.output)")
        }
      }
    }

    @Test func aClientThatIsSwitchedOffEndsTheStartWithTheGuidesLines() async throws {
      try await withPeer({ $0.credentialRefusal = .error(403, "Client account is not active") }) { handle in
        try await withProgram(Self.program, environment: handle.environment()) { program in
          try await expectEnd(program, .exited(3))
          #expect(
            program.lines.suffix(3).map { $0.split(separator: " ", maxSplits: 2).last ?? "" } == [
              "ERROR - HTTP error 403: POST \(handle.peer.url)/api/broker/credentials",
              #"ERROR - Response: {"error": "Client account is not active"}"#,
              "ERROR - Authentication failed - check CLIENT_TOKEN configuration",
            ])
        }
      }
    }

    @Test func theCredentialOnDiskServesAStartWhenTheServerHasNoneToGive() async throws {
      try await withPeer { handle in
        let environment = handle.environment()
        try await withProgram(Self.program, environment: environment) { program in
          try await program.waitForLine(containing: "is registered for the client")
          try await expectStop(program)
        }
        await handle.peer.set { $0.credentialRefusal = .error(500, "no database") }
        try await withProgram(Self.program, environment: environment) { program in
          try await program.waitForLine(containing: "WARNING - The credential on disk is used")
          try await program.waitForLine(containing: "is registered for the client")
          try await expectStop(program)
        }
        let folder = try #require(environment["SPOT_OPTIMIZER_STATE_DIR"])
        let file = try #require(try FileManager.default.contentsOfDirectory(atPath: folder).first { $0.hasPrefix("credential-") })
        let attributes = try FileManager.default.attributesOfItem(atPath: "\(folder)/\(file)")
        #expect(attributes[.posixPermissions] as? Int == 0o600)
        // Damaged, it is told and not used.
        var bytes = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(file)"))
        bytes[bytes.count / 2] ^= 1
        try bytes.write(to: URL(fileURLWithPath: "\(folder)/\(file)"))
        try await withProgram(Self.program, environment: environment) { program in
          try await expectEnd(program, .exited(1))
          #expect(program.output.contains("WARNING - The broker credential on disk is not used: \(folder)/\(file) is damaged"))
        }
      }
    }

    @Test func aStopBetweenAttemptsOfTheStartIsHeeded() async throws {
      let environment = [
        "SPOT_OPTIMIZER_SERVER_URL": "http://127.0.0.1:1", "SPOT_OPTIMIZER_CLIENT_TOKEN": "a-token",
        "SPOT_OPTIMIZER_STATE_DIR": temporaryFolder(),
      ]
      try await withProgram(Self.program, environment: environment) { program in
        try await program.waitForLine(containing: "attempt 2/3")
        try await expectStop(program)
      }
    }

    @Test func aStopIsHeededWhileAServerTakesItsTimeToAnswer() async throws {
      // It accepts and never answers.
      let server = try HTTPServer(HTTPServerConfiguration(port: 0)) { _ in .error(503, "never run") }
      let environment = [
        "SPOT_OPTIMIZER_SERVER_URL": "http://127.0.0.1:\(server.port)", "SPOT_OPTIMIZER_CLIENT_TOKEN": "a-token",
        "SPOT_OPTIMIZER_STATE_DIR": temporaryFolder(),
      ]
      try await withProgram(Self.program, environment: environment) { program in
        try await program.waitForLine(containing: "Client Token:")
        try await expectStop(program)
      }
      await server.stop()
    }

    @Test func aStopIsHeededWhileABrokerDoesNotAnswerTheLogin() async throws {
      // A socket that accepts in the kernel and says nothing: a login there takes its whole time-out.
      let silent = try SilentListener()
      try await withPeer({ $0.replacedBroker = "amqp://127.0.0.1:\(silent.port)" }) { handle in
        try await withProgram(Self.program, environment: handle.environment()) { program in
          try await eventually("it logs in at the broker") { silent.hasCaller }
          try await expectStop(program)
        }
      }
    }

    @Test func aStopIsHeededWhileNobodyAnswersTheRegistration() async throws {
      try await withPeer({ $0.registrationBehaviour = .silence }) { handle in
        try await withProgram(Self.program, environment: handle.environment()) { program in
          try await eventually("the registration") { await !handle.peer.registrations.isEmpty }
          try await expectStop(program)
        }
      }
    }

    @Test func aStopIsHeededWhileTheBrokerIsAway() async throws {
      try await withPeer { handle in
        try await withProgram(Self.program, environment: handle.environment()) { program in
          try await program.waitForLine(containing: "takes its commands from the queue")
          try await handle.peer.services.stopBroker()
          try await program.waitForLine(containing: "after 3 attempts")
          try await expectStop(program)
        }
        try await handle.peer.services.startBroker()
      }
    }

    @Test func aStopIsHeededWhileTheBrokerTakesNoMessages() async throws {
      try await withPeer { handle in
        try await withProgram(Self.program, environment: handle.environment()) { program in
          try await eventually("a heartbeat") { await !handle.peer.heartbeats.isEmpty }
          try await handle.peer.services.rabbitmqctl("set_vm_memory_high_watermark", "0.0000001")
          try await program.waitForLine(containing: "publishes nothing")
          try await expectStop(program)
          #expect(program.output.contains("could not say that it is offline"))
          try await handle.peer.services.rabbitmqctl("set_vm_memory_high_watermark", "0.5")
        }
      }
    }

    @Test func aSecondSignalEndsAtOnce() async throws {
      let silent = try SilentListener()
      try await withPeer({ $0.replacedBroker = "amqp://127.0.0.1:\(silent.port)" }) { handle in
        try await withProgram(Self.program, environment: handle.environment()) { program in
          // An agent that has not begun to log in has nothing that a stop must wait for.
          try await eventually("it logs in at the broker") { silent.hasCaller }
          program.send(SIGTERM)
          try await program.waitForLine(containing: "SIGTERM: stopping")
          program.send(SIGINT)
          try await expectEnd(program, .exited(130))
        }
      }
    }

    @Test func badConfigurationAndArgumentsAreToldAndEndWithTwo() async throws {
      let good = [
        "SPOT_OPTIMIZER_SERVER_URL": "http://127.0.0.1:1", "SPOT_OPTIMIZER_CLIENT_TOKEN": "secret-token-of-a-client",
        "SPOT_OPTIMIZER_STATE_DIR": temporaryFolder(),
      ]
      let bad: [(name: String, value: String?, says: String)] = [
        ("SPOT_OPTIMIZER_SERVER_URL", nil, "is not set"), ("SPOT_OPTIMIZER_CLIENT_TOKEN", "  ", "is not set"),
        ("SPOT_OPTIMIZER_SERVER_URL", "ftp://server", "has the scheme 'ftp', which is neither http nor https"),
        ("HEARTBEAT_INTERVAL", "soon", "is 'soon', which is not a whole number"),
        ("HEARTBEAT_INTERVAL", "0", "is 0, which is out of range"),
        ("LOG_LEVEL", "LOUD", "is 'LOUD'"), ("SPOT_OPTIMIZER_STATE_DIR", "/proc/nowhere", "is '/proc/nowhere', which cannot be created"),
        ("SPOT_OPTIMIZER_CA_FILE", "/nowhere.pem", "is '/nowhere.pem', which cannot be read"),
        ("LOGICAL_AGENT_ID", String(repeating: "x", count: 300), "has 300 bytes"),
      ]
      for (name, value, says) in bad {
        var environment = good
        environment[name] = value
        try await withProgram(Self.program, environment: environment) { program in
          try await expectEnd(program, .exited(2))
          #expect(program.output.contains("ERROR - Configuration: \(name) \(says)"), "\(program.output)")
          #expect(!program.output.contains("secret-token"))
        }
      }
      try await withProgram(Self.program, ["--loud"]) { program in
        try await expectEnd(program, .exited(2))
        #expect(program.output.contains("unknown argument '--loud'") && program.output.contains("Usage: spot-optimizer-agent"))
      }
      try await withProgram(Self.program, ["--help"]) { program in
        try await expectEnd(program, .exited(0))
        #expect(program.output.contains("SPOT_OPTIMIZER_CLIENT_TOKEN") && program.output.contains("Exit codes:"))
      }
      try await withProgram(Self.program, ["--version"]) { program in
        try await expectEnd(program, .exited(0))
        #expect(program.lines == ["spot-optimizer-agent \(programVersion)"])
      }
    }

    @Test func theInstanceIsReadFromTheMetadataServiceByItsSecondVersion() async throws {
      let facts = [
        "instance-id": "i-0123456789abcdef0", "instance-type": "c5.large", "placement/region": "us-east-1",
        "placement/availability-zone": "us-east-1a", "ami-id": "ami-0abc", "local-ipv4": "10.0.0.7", "instance-life-cycle": "spot",
      ]
      let service = try HTTPServer(HTTPServerConfiguration(port: 0)) { request in
        if request.path == "/latest/api/token" {
          return request.method == "PUT" && request.headers["X-aws-ec2-metadata-token-ttl-seconds"] != nil
            ? HTTPResponse(status: 200, body: Array("session".utf8)) : .error(400, "no")
        }
        guard request.headers["X-aws-ec2-metadata-token"] == "session" else { return .error(401, "no") }
        guard let fact = facts[String(request.path.dropFirst("/latest/meta-data/".count))] else { return .error(404, "no") }
        return HTTPResponse(status: 200, body: Array(fact.utf8))
      }
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { await service.run() }
        try await withPeer { handle in
          let environment = handle.environment([
            "AWS_EC2_METADATA_DISABLED": "", "AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:\(service.port)/",
            "LOGICAL_AGENT_ID": "", "http_proxy": "http://127.0.0.1:1", "no_proxy": "127.0.0.1",
          ])
          try await withProgram(Self.program, environment: environment) { program in
            try await program.waitForLine(containing: "takes its commands from the queue")
            let registration = try #require(await handle.peer.registrations.first).body
            #expect(registration.logicalAgentID == "i-0123456789abcdef0" && registration.instanceID == "i-0123456789abcdef0")
            #expect(registration.instanceType == "c5.large" && registration.region == "us-east-1" && registration.az == "us-east-1a")
            #expect(registration.amiID == "ami-0abc" && registration.privateIP == "10.0.0.7" && registration.publicIP == nil)
            #expect(registration.mode == .spot)
            try await expectStop(program)
          }
        }
        group.cancelAll()
      }
    }
  }
}
