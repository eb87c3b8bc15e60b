import AMQP
import FleetProtocol
import Foundation
import MySQL
import Server
import TestSupport
import Testing

/// `spotctl doctor` names what is wrong, on real services that were made wrong.
@Suite struct SpotctlDoctorTests {
  @Test func aHealthyInstallationHasNoFailureAndItsBundleNoSecret() async throws {
    try await withFleet { fleet in
      let server = try await fleet.startServer()
      try await fleet.createClient()
      _ = try await fleet.startAgent("agent-001", server)
      let health = ["HTTP_PORT": String(server.url.split(separator: ":").last ?? ""), "RABBITMQCTL": rabbitmqctl(fleet.services)]
      let archive = "\(fleet.folder)/doctor.tar.gz"
      let answer = try await doctor(fleet, ["--bundle", archive], health)
      #expect(answer.code == 0 && answer.failed.isEmpty && answer.unchecked.isEmpty, "\(answer)")
      for check in ["indexes", "broker plugins", "topology", "foreign key refused", "alarms", "time-outs", "presence watch", "HTTP front"] {
        #expect(answer.verdict(check) == "pass", "\(check): \(answer)")
      }
      let agent = try await doctor(fleet, ["agent-001", "--client", Fleet.clientID])
      #expect(agent.code == 0 && agent.failed.isEmpty && agent.verdict("credential accepted") == "pass", "\(agent)")

      let text = try await fleet.run("spotctl", ["doctor", "agent-001"], fleet.serverEnvironment())
      #expect(try await text.waitForExit() == .exited(0))
      #expect(text.lines.contains { $0.hasPrefix("pass  client token") } && text.output.contains(" passed, 0 warned, 0 failed"))

      let unpacked = try await Program.tool("/usr/bin/env", ["tar", "-xzOf", archive])
      #expect(try await unpacked.waitForExit() == .exited(0))
      for part in ["DB_PASSWORD=(set", "== the server's queues", "fleet.heartbeats", "== schema", "\"healthy\":true"] {
        #expect(unpacked.output.contains(part), "\(part)")
      }
      for secret in [fleet.token, fleet.services.password, fleet.database.password] {
        #expect(!unpacked.output.contains(secret) && !text.output.contains(secret) && !answer.text.contains(secret))
      }
    }
  }

  @Test func whatIsWrongInTheTablesAndQueuesIsNamedWithItsRemedy() async throws {
    try await withFleet { fleet in
      try await fleet.startServer().program.stop()
      try await fleet.createClient(token: "short", isActive: false)
      try await fleet.execute(
        "INSERT INTO agents (id, client_id, logical_agent_id, status) VALUES (UUID(), ?, 'a', 'online')", [.text(Fleet.clientID)])
      try await fleet.execute("ALTER TABLE commands DROP KEY commands_outbox")
      let letter = Publication(Message(body: [1]), to: Topology.deadExchange, routingKey: "")
      try await fleet.withChannel { channel in
        try await channel.enableConfirms()
        try await channel.publish(letter)
      }
      let answer = try await doctor(fleet)
      #expect(answer.code == 1)
      #expect(
        answer.failed == [
          "indexes", "queue fleet.register", "queue fleet.heartbeats", "queue fleet.results", "queue fleet.notices", "presence watch",
        ])
      #expect(
        answer.remedy("indexes")?.contains("ALTER TABLE commands ADD KEY commands_outbox (status, priority, seq)") == true, "\(answer)")
      #expect(answer.remedy("queue fleet.register") == "systemctl start spot-optimizer-server")
      #expect(answer.measured("dead letters")?.contains("1 message") == true && answer.verdict("dead letters") == "warn")
      #expect(
        answer.verdict("client token") == "warn" && answer.remedy("clients") == "spotctl clients enable '\(Fleet.clientID)'", "\(answer)")
      #expect(!answer.text.contains("\"short\""))

      let newest = Schema.migrations.last?.version ?? 0
      try await fleet.execute("DELETE FROM schema_migrations WHERE version = ?", [.int(Int64(newest))])
      try await fleet.withChannel { channel in
        try await channel.deleteQueue(Topology.heartbeatsQueue)
        _ = try await channel.declareQueue(Topology.heartbeatsQueue)
        try await channel.deleteQueue(Topology.noticesQueue)
      }
      let older = try await doctor(fleet)
      #expect(older.remedy("schema") == "spotctl migrate" && older.unchecked.contains("indexes"), "\(older)")
      #expect(older.remedy("topology")?.contains("delete_queue") == true && older.text.contains("fleet.notices is not there"), "\(older)")
    }
  }

  @Test func anAgentsChainIsFollowedToTheLinkThatIsBroken() async throws {
    try await withFleet { fleet in
      let server = try await fleet.startServer(["AGENT_HEARTBEAT_TIMEOUT": "60"])
      try await fleet.createClient()
      let agent = try await fleet.startAgent("agent-001", server)
      let queue = try #require(try await fleet.agent("agent-001")?.queue)
      agent.send(SIGSTOP)
      try await fleet.withChannel { try await $0.deleteQueue(queue) }
      let missing = try await doctor(fleet, ["agent-001"])
      #expect(missing.code == 1 && missing.failed.contains("queue"))
      #expect(missing.remedy("queue")?.contains("systemctl restart spot-optimizer-agent") == true, "\(missing)")
      let whole = try await doctor(fleet)
      #expect(whole.failed == ["agents' queues"] && whole.measured("agents' queues")?.contains("'agent-001'") == true, "\(whole)")
      try await agent.stop()

      let wrong = try await fleet.launchAgent("agent-001", server, token: "another-token-of-somebody")
      #expect(try await wrong.waitForExit() == .exited(3))
      try await fleet.execute("UPDATE agents SET status = 'offline', last_heartbeat_at = NOW(3) - INTERVAL 1 HOUR")
      try await fleet.execute("UPDATE clients SET is_active = 0")
      let refused = try await doctor(fleet, ["agent-001"])
      #expect(refused.failed == ["client enabled", "heartbeat", "status", "queue"], "\(refused)")
      #expect(refused.remedy("client enabled") == "spotctl clients enable '\(Fleet.clientID)'")
      #expect(refused.measured("auth failures")?.contains("another-...body") == true, "\(refused)")
      #expect(!refused.text.contains("another-token-of-somebody"))

      let unknown = try await doctor(fleet, ["agent-002"])
      #expect(unknown.failed == ["agent"] && unknown.measured("auth failures")?.contains("Invalid client token") == true, "\(unknown)")
    }
  }

  @Test func badVariablesAndRefusedLoginsAreEachNamed() async throws {
    try await withFleet { fleet in
      let server = try await fleet.startServer()
      let variables = try await doctor(fleet, [], ["DB_PORT": "33o6", "HEARTBEAT_INTERVAL": "0", "AMQP_URL": ""])
      #expect(variables.code == 1 && variables.failed.count(where: { $0 == "variables" }) == 3, "\(variables)")
      #expect(["DB_PORT is '33o6'", "HEARTBEAT_INTERVAL is 0", "AMQP_URL is not set"].allSatisfy { variables.text.contains($0) })
      #expect(variables.unchecked.contains("database") && variables.unchecked.contains("broker"))

      let missing = try await doctor(fleet, [], ["AMQP_URL": fleet.amqpURL + "-missing", "DB_NAME": "no_such_database"])
      #expect(missing.verdict("broker login") == "pass" && missing.verdict("broker vhost") == "fail", "\(missing)")
      #expect(missing.remedy("broker vhost")?.contains("rabbitmqctl add_vhost '\(fleet.virtualHost)-missing'") == true)
      #expect(missing.remedy("database")?.contains("no_such_database") == true, "\(missing)")

      let url = fleet.amqpURL.replacingOccurrences(of: fleet.services.password, with: "s3cr3t-but-wrong")
      let refused = try await doctor(fleet, [], ["AMQP_URL": url, "DB_PASSWORD": "s3cr3t-but-wrong"])
      #expect(refused.failed.starts(with: ["database", "broker login"]), "\(refused)")
      #expect(refused.remedy("database")?.contains("DB_PASSWORD") == true && !refused.text.contains("s3cr3t"))

      let keys = "\(fleet.folder)/keys"
      _ = try KeyRing.createKey("stranger", folder: keys)
      let foreign = try await doctor(fleet, [], ["SPOT_OPTIMIZER_KEYS_DIR": keys])
      #expect(foreign.failed == ["credential accepted"], "\(foreign)")
      #expect(
        foreign.remedy("credential accepted")?.contains("rabbitmqctl add_uaa_key stranger --pem-file=\(keys)/stranger.public.pem") == true)
      #expect(server.program.exitStatus == nil)
    }
  }

  @Test func aServerThatIsAwayAnAlarmAndALoginThatNobodyChecksAreNamed() async throws {
    let services = try await LocalServices.separate()
    do {
      try await withFleet(on: services) { fleet in
        _ = try await fleet.startServer()
        try await services.rabbitmqctl(
          "eval",
          "application:set_env(rabbit, auth_backends, [rabbit_auth_backend_internal]), rabbit_alarm:set_alarm({{resource_limit, disk, node()}, []})."
        )
        let answer = try await doctor(fleet, [], ["RABBITMQCTL": rabbitmqctl(services)])
        #expect(answer.failed == ["broker plugins", "credential accepted", "alarms"], "\(answer)")
        #expect(answer.measured("alarms")?.contains("disk") == true, "\(answer)")
        let blind = try await doctor(fleet)
        #expect(blind.failed == ["credential accepted", "alarms"] && blind.unchecked.contains("broker plugins"), "\(blind)")
        #expect(
          blind.measured("alarms")?.contains("takes no messages") == true && blind.remedy("alarms")?.contains("free disk space") == true,
          "\(blind)")

        try await services.stopBroker()
        let noBroker = try await doctor(fleet)
        #expect(noBroker.code == 1 && noBroker.failed == ["broker"], "\(noBroker)")
        #expect(noBroker.measured("broker")?.contains("Connection refused") == true && noBroker.verdict("schema") == "pass")
        try await services.stopDatabase()
        let nothing = try await doctor(fleet)
        #expect(nothing.code == 1 && nothing.failed == ["database", "broker"], "\(nothing)")
        #expect(nothing.measured("database")?.contains("Connection refused") == true && nothing.unchecked.contains("schema"))
      }
    } catch {
      try await services.stop()
      throw error
    }
    try await services.stop()
  }

  @Test func theIndexesReadFromTheMigrationsAreThoseOfAMigratedDatabase() async throws {
    try await withDesk { desk in
      let existing = try await desk.pool.withConnection { try await SchemaIndexes.existing(on: $0) }
      #expect(existing.filter { $0.table != "schema_migrations" } == Set(SchemaIndexes(Schema.migrations).all))
    }
  }

  // MARK: - Support

  /// Runs it on a fleet's services, without the broker's tool unless `changes` name one.
  private func doctor(_ fleet: Fleet, _ words: [String] = [], _ changes: [String: String] = [:]) async throws -> DoctorAnswer {
    let environment = fleet.serverEnvironment(["RABBITMQCTL": "/bin/false"]).merging(changes) { $1 }
    let program = try await fleet.run("spotctl", ["doctor", "--json"] + words, environment)
    let status = try await program.waitForExit(timeout: .seconds(60))
    guard case .exited(let code) = status else { throw FleetFailure(description: "spotctl doctor ended with \(status)") }
    return try DoctorAnswer(code: code, program)
  }

  private func rabbitmqctl(_ services: LocalServices) -> String { "\(LocalServices.repository)/broker/local --state \(services.state) ctl" }
}
