import AMQP
import FleetProtocol
import Foundation
import TestSupport
import Testing

/// A broker that is not as it should be: the programs say what and what to do, and go on by themselves once it is mended.
@Suite struct BrokerFaultTests {
  @Test func aQueueDeclaredOtherwiseIsNamedWithTheRemedyAndTheServerRecovers() async throws {
    try await withFleet { fleet in
      try await fleet.withChannel { _ = try await $0.declareQueue(Topology.heartbeatsQueue) }
      let server = try await fleet.run("spot-optimizer-server", [], fleet.serverEnvironment())
      let line = try await server.waitForLine(containing: "fleet.heartbeats is on the broker as another kind of queue")
      #expect(line.contains("ERROR - ") && line.contains("rabbitmqctl delete_queue fleet.heartbeats"))
      #expect(server.exitStatus == nil)

      try await fleet.withChannel { try await $0.deleteQueue(Topology.heartbeatsQueue) }
      try await server.waitForLine(containing: "Worker is consuming from", timeout: .seconds(60))
      try await fleet.createClient()
      _ = try await fleet.startAgent("agent-001", Fleet.Server(program: server, url: try await fleet.address(of: server)))
      try await fleet.waitForAgent("agent-001", "is online") { $0.status == "online" }
    }
  }

  @Test func aVhostThatIsNotThereIsNamedAndTheServerRecovers() async throws {
    try await withFleet { fleet in
      let name = "\(fleet.virtualHost)-missing"
      let url = fleet.amqpURL + "-missing"
      let server = try await fleet.run("spot-optimizer-server", [], fleet.serverEnvironment(["AMQP_URL": url]))
      let line = try await server.waitForLine(containing: "Consuming connection to ")
      #expect(line.contains("ERROR - ") && line.contains(name), "\(line)")
      try await server.waitForLine(containing: "rabbitmqctl add_vhost \(name)")
      #expect(server.exitStatus == nil)
      let all = "<<\".*\">>"
      try await fleet.services.rabbitmqctl(
        "eval",
        """
        rabbit_vhost:add(<<"\(name)">>, <<"test">>), \
        rabbit_auth_backend_internal:set_permissions(<<"\(fleet.services.user)">>, <<"\(name)">>, \(all), \(all), \(all), <<"test">>).
        """)
      try await server.waitForLine(containing: "Worker is consuming from", timeout: .seconds(60))
      #expect(!server.output.contains(fleet.services.password))
    }
  }

  @Test func aWrongPasswordOfTheServerIsToldWithoutShowingIt() async throws {
    try await withFleet { fleet in
      let url = fleet.amqpURL.replacingOccurrences(of: fleet.services.password, with: "s3cr3t-but-wrong")
      let server = try await fleet.run("spot-optimizer-server", [], fleet.serverEnvironment(["AMQP_URL": url]))
      // The broker holds a failed login for three seconds.
      let line = try await server.waitForLine(containing: "login refused")
      #expect(line.contains("ERROR - ") && line.contains("AMQP_URL"), "\(line)")
      #expect(!server.output.contains("s3cr3t"))
    }
  }

  /// The server signs with a key that the broker does not have.
  @Test func credentialsOfAKeyTheBrokerDoesNotHaveEndTheAgentsStartWithTheRemedy() async throws {
    try await withFleet { fleet in
      let keys = "\(fleet.folder)/keys"
      _ = try KeyRing.createKey("stranger", folder: keys)
      let server = try await fleet.startServer(["SPOT_OPTIMIZER_KEYS_DIR": keys])
      try await fleet.createClient()
      let agent = try await fleet.launchAgent("agent-001", server)
      #expect(try await agent.waitForExit(timeout: .seconds(60)) == .exited(1))
      #expect(agent.output.contains("login refused by 127.0.0.1:\(fleet.services.port)"))
      #expect(agent.output.contains("public key"), "what to look at is named")
      #expect(!agent.output.contains(fleet.token))
    }
  }
}
