import AMQP
import FleetProtocol
import MySQL
import Server
import ServiceRuntime
import TestSupport
import Testing

/// The tool as an operator runs it, on a real database and broker.
@Suite struct SpotctlTests {
  @Test func aClientIsMadeShownAndSwitched() async throws {
    try await withDesk { desk in
      #expect(try await desk.run("migrate").text.contains("Nothing to do"))
      #expect(try await desk.run("clients", "list").text.contains("No clients"))
      let made = try await desk.run("clients", "create", "My Company", "--id", "test", "--email", "admin@company.com", "--json")
      #expect(made.code == 0)
      guard case .string(let token)? = try made.rows.first?["client_token"] else {
        Issue.record("no token in \(made.text)")
        return
      }
      #expect(try await ClientStore(desk.pool).find(token: token)?.id == "test")
      let list = try await desk.run("clients", "list")
      #expect(list.text.contains(tokenPreview(token)) && !list.text.contains(token) && list.text.contains("My Company"))
      let listed = try await desk.run("clients", "list", "--json").rows
      #expect(listed.first?["is_active"] == true && listed.first?["client_token"] == .string(tokenPreview(token)))
      #expect(try await desk.run("clients", "disable", "My Company").text.contains("is_active     no"))
      #expect(try await ClientStore(desk.pool).find(token: token)?.isActive == false)
      #expect(try await desk.run("clients", "enable", "test", "--json").rows.first?["is_active"] == true)
      #expect(try await desk.run("clients", "create", "Other", "--id", "test").code == 1)
      #expect(try await desk.run("clients", "enable", "nobody").code == 3)
      #expect(try await desk.run("clients", "create", "x", "--id", String(repeating: "ü", count: 60)).code == 2)
    }
  }

  @Test func aResultThatCannotBeWrittenIsAFailure() async throws {
    try await withDesk { desk in
      for json in ["", "--json"] {
        let program = try await Program.tool(
          "/bin/sh", ["-c", "exec \"$0\" clients list $1 >/dev/full", try Program.path(of: "spotctl"), json], environment: desk.environment)
        #expect(try await program.waitForExit() == .exited(1))
        #expect(program.output.contains("the result could not be written: [Errno 28] No space left on device"))
      }
    }
  }

  @Test func anAgentIsFoundByIdOrByItsNameWhereThatIsClear() async throws {
    try await withDesk { desk in
      for id in ["test", "other"] { _ = try await ClientStore(desk.pool).create(id: id, name: "Client \(id)", email: nil) }
      let web = try await desk.register("web-1")
      let twin = try await desk.register("web-1", client: "other")
      let lone = try await desk.register("db-1")
      #expect(try await desk.run("agents", "show", lone, "--json").rows.first?["logical_agent_id"] == "db-1")
      #expect(try await desk.run("agents", "show", "db-1", "--json").rows.first?["id"] == .string(lone))
      let ambiguous = try await desk.run("agents", "show", "web-1")
      #expect(ambiguous.code == 2 && ambiguous.text.contains(web) && ambiguous.text.contains(twin) && ambiguous.text.contains("--client"))
      #expect(try await desk.run("agents", "show", "web-1", "--client", "Client other", "--json").rows.first?["id"] == .string(twin))
      #expect(try await desk.run("agents", "show", "web-9").code == 3)
      #expect(try await desk.run("agents", "list", "--client", "test", "--json").rows.count == 2)
      #expect(try await desk.run("agents", "list", "--status", "offline", "--json").rows.isEmpty)
      #expect(try await desk.run("agents", "list", "--status", "asleep").code == 2)
      try await desk.pool.withConnection { _ = try await $0.execute("UPDATE agents SET status = 'asleep' WHERE id = ?", [.text(twin)]) }
      let list = try await desk.run("agents", "list")
      #expect(list.code == 0 && list.text.contains("db-1") && list.text.contains("agents.status is 'asleep'"))
      #expect(try await desk.run("agents", "show", twin).code == 1)
    }
  }

  @Test func aCommandIsWrittenAndWakesTheDispatchers() async throws {
    let services = try await LocalServices.shared()
    try await withDesk { desk in
      let agent = try await desk.register("web-1")
      let loop = EventLoop(name: "test")
      defer { loop.stop() }
      let url = try BrokerURL(services.amqpURL, name: "AMQP_URL")
      let connection = try await Connection.open(
        ConnectionConfiguration(url, defaultVirtualHost: services.virtualHost, connectionName: "test"), on: loop)
      let channel = try await connection.openChannel()
      try await channel.declareExchange(Topology.eventsExchange, kind: "topic")
      let queue = try await channel.declareQueue("", durable: false, exclusive: true, autoDelete: true)
      try await channel.bindQueue(queue.name, to: Topology.eventsExchange, routingKey: Topology.commandsPendingKey)
      let sent = try await desk.run("commands", "send", "web-1", "ping", #"{"x":1}"#, "--priority", "75", "--json")
      #expect(sent.code == 0)
      let row = try #require(try sent.rows.first)
      #expect(row["agent_id"] == .string(agent) && row["status"] == "pending" && row["priority"] == 75 && row["parameters"] == ["x": 1])
      try await eventually("the wake-up is there") { try await channel.queueStatus(queue.name).messageCount > 0 }
      await connection.close()
      guard case .string(let id)? = row["id"] else { return }
      let shown = try await desk.run("commands", "show", id)
      #expect(shown.code == 0 && shown.text.contains("pending"))
      #expect(try await desk.run("commands", "show", "nothing").code == 3)
      #expect(try await desk.run("commands", "send", "web-1", "ping", "[1]").code == 2)
      #expect(try await desk.run("commands", "send", "web-1", "ping", "--priority", "256").code == 2)
      #expect(try await desk.run("commands", "send", "web-9", "ping").code == 3)
    }
  }

  @Test func withoutTheBrokerACommandIsWrittenAllTheSame() async throws {
    try await withDesk { desk in
      _ = try await desk.register("web-1")
      for url in ["", "amqp://u:SECRET@127.0.0.1:1/v", "http://x"] {
        let sent = try await desk.run("commands", "send", "web-1", "ping", "--json", changes: ["AMQP_URL": url])
        #expect(sent.code == 0 && sent.text.contains("the dispatchers were not woken") && !sent.text.contains("SECRET"), "\(sent.text)")
        #expect(try sent.rows.count == 1)
      }
      #expect(try await CommandStore(desk.pool).list().rows.count == 3)
    }
  }

  @Test func waitingEndsWithTheResultOrWithTheTime() async throws {
    try await withDesk { desk in
      let agent = try await desk.register("web-1")
      let address = try AgentAddress(clientID: "test", logicalAgentID: "web-1")
      for (outcome, code) in [(CommandResult.Outcome.succeeded, Int32(0)), (.failed, 1)] {
        async let answer = desk.run("commands", "send", "web-1", "ping", "--wait", "--json")
        // In the agent's place: end what comes.
        let commands = CommandStore(desk.pool)
        let id = try await eventualValue("a command is there") {
          try await commands.list(CommandStore.Filter(agentID: agent, status: .pending)).rows.first?.id
        }
        let result = CommandResult(
          commandID: id, agentID: agent, status: outcome, output: ["pong": true], error: outcome == .failed ? "broken" : nil,
          startedAt: .now(), finishedAt: .now(), sentAt: .now())
        #expect(try await commands.finish(result, from: address) == .accepted)
        let ended = try await answer
        #expect(ended.code == code)
        #expect(try ended.rows.first?["output"] == ["pong": true])
      }
      let late = try await desk.run("commands", "send", "web-1", "ping", "--wait", "--wait-for", "1s")
      #expect(late.code == 4 && late.text.contains("spotctl commands show "))
    }
  }

  @Test func whatCannotBeReachedOrIsNotMigratedSaysSo() async throws {
    let services = try await LocalServices.shared()
    let login = try await services.createDatabase()
    let desk = ToolDesk(
      environment: login.environment,
      pool: Pool(configuration: DatabaseConfiguration(host: "", user: "", password: "", database: ""), size: 1))
    let empty = try await desk.run("clients", "list")
    #expect(empty.code == 1 && empty.text.contains("spotctl migrate"))
    let away = try await desk.run("clients", "list", changes: ["DB_PORT": "1"])
    #expect(away.code == 5 && away.text.contains("DB_HOST") && !away.text.contains(login.password))
    let refused = try await desk.run("clients", "list", changes: ["DB_PASSWORD": "wrong-SECRET"])
    #expect(refused.code == 5 && !refused.text.contains("wrong-SECRET"))
    let wrong = try await desk.run("clients", "list", changes: ["DB_PORT": "many"])
    #expect(wrong.code == 2 && wrong.text.contains("DB_PORT is 'many'"))
    #expect(try await desk.run("frobnicate").code == 2)
    #expect(try await desk.run("--help").code == 0)
    #expect(try await desk.run("version").text == "spotctl \(programVersion)")
    await desk.pool.close()
  }

  @Test func keysAreMadeTheFirstIsCurrentAndTheNextWaits() async throws {
    let desk = ToolDesk(
      environment: [:], pool: Pool(configuration: DatabaseConfiguration(host: "", user: "", password: "", database: ""), size: 1))
    let folder = "/tmp/spot-optimizer-test-keys-\(randomUUID())"
    let first = try await desk.run("keys", "create", "--dir", folder, "--id", "one", "--json")
    #expect(first.code == 0)
    #expect(try first.rows.first?["is_current"] == true)
    let second = try await desk.run("keys", "create", "--id", "two", "--json", changes: ["SPOT_OPTIMIZER_KEYS_DIR": folder])
    #expect(try second.rows.first?["is_current"] == false)
    #expect(second.text.contains("'one' goes on signing"))
    #expect(try KeyRing(folder: folder).current.keyID == "one")
    #expect(try await desk.run("keys", "create", "--dir", folder, "--id", "one").code == 1)
    #expect(try await desk.run("keys", "create", "--dir", folder, "--id", "a/b").code == 1)
    #expect(try await desk.run("keys", "create", "--dir", "/nowhere/at/all").code == 1)
    _ = try await Program.tool("/bin/rm", ["-r", folder]).waitForExit()
    await desk.pool.close()
  }
}
