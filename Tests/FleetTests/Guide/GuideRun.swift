import FleetProtocol
import Foundation
import MySQL
import ServiceRuntime
import TestSupport
import Testing

/// Brings agents, servers, database and broker into every state that the pages speak of, and keeps what they said and answered.
struct GuideRun: Sendable {
  let record = GuideRecord()
  static let wrongToken = "abc12345-dead-4bee-8bad-f00d0000xyz9"

  /// All of it; one part does not wait for another.
  func play() async {
    await withTaskGroup(of: Void.self) { group in
      add("agents without a server", to: &group) { try await withoutServer() }
      add("starts that fail", to: &group) { try await failingStarts() }
      add("the checklist", to: &group) { try await checklist() }
      add("an agent's life", to: &group) { try await life() }
      add("a broker in trouble", to: &group) { try await brokerInTrouble() }
    }
  }

  private func add(_ what: String, to group: inout TaskGroup<Void>, _ part: @escaping @Sendable () async throws -> Void) {
    group.addTask {
      do { try await part() } catch { record.failed(what, error) }
    }
  }

  // MARK: - Without a server

  private func withoutServer() async throws {
    let folder = NSTemporaryDirectory() + "spot-optimizer-guide-\(UUID().uuidString)"
    // Nothing depends on the folder being gone.
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    let closed = try GuidePort.closed()
    let dropping = try GuidePort.droppingPackets()
    let silent = try GuidePort.silent(after: 2)
    try await withUntrustedTLS(folder) { tlsPort in
      try await withThrowingTaskGroup(of: Void.self) { group in
        let urls: [(GuideCase.Scenario, String)] = [
          (.serverDown, "http://127.0.0.1:\(closed.port)"), (.unresolvableName, "http://no-such-server.invalid:5000"),
          (.droppedPackets, "http://127.0.0.1:\(dropping.port)"), (.silentServer, "http://127.0.0.1:\(silent.port)"),
          (.untrustedHTTPS, "https://127.0.0.1:\(tlsPort)"),
        ]
        for (scenario, url) in urls {
          group.addTask {
            try await withProgram("spot-optimizer-agent", environment: agentAlone(scenario, url, folder)) { agent in
              await record.read(scenario, .agent, agent)
              try await record.end(scenario, agent)
            }
          }
        }
        group.addTask {
          var environment = agentAlone(.missingVariable, "http://127.0.0.1:\(closed.port)", folder)
          environment["SPOT_OPTIMIZER_CLIENT_TOKEN"] = nil
          try await withProgram("spot-optimizer-agent", environment: environment) { agent in
            await record.read(.missingVariable, .agent, agent)
            try await record.end(.missingVariable, agent)
          }
        }
        try await group.waitForAll()
      }
    }
    withExtendedLifetime((closed, dropping, silent)) {}
  }

  private func agentAlone(_ scenario: GuideCase.Scenario, _ url: String, _ folder: String) -> [String: String] {
    [
      "SPOT_OPTIMIZER_SERVER_URL": url, "SPOT_OPTIMIZER_CLIENT_TOKEN": Self.wrongToken, "LOGICAL_AGENT_ID": "agent-001",
      "AWS_EC2_METADATA_DISABLED": "true", "SPOT_OPTIMIZER_STATE_DIR": "\(folder)/\(scenario.rawValue)",
    ]
  }

  // MARK: - Starts that fail

  private func failingStarts() async throws {
    let closed = try GuidePort.closed()
    try await withFleet { fleet in
      let server = try await fleet.startServer()
      try await fleet.createClient()
      try await fail(.verbose, fleet, server, ["LOG_LEVEL": "DEBUG", "PENDING_COMMANDS_CHECK_INTERVAL": "15"])
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await fail(.wrongAddress, fleet, server, ["SPOT_OPTIMIZER_SERVER_URL": "\(server.url)/backend"]) }
        group.addTask {
          let url = server.url.replacingOccurrences(of: "http://", with: "https://")
          try await fail(.plainHTTP, fleet, server, ["SPOT_OPTIMIZER_SERVER_URL": url])
        }
        group.addTask { try await fail(.closedBrokerPort, fleet, broker: "amqp://127.0.0.1:\(closed.port)") }
        group.addTask { try await fail(.plainAMQP, fleet, broker: "amqps://127.0.0.1:\(fleet.services.port)") }
        try await group.waitForAll()
      }
      try await withUntrustedTLS(fleet.folder) { port in
        try await fail(.untrustedAMQPS, fleet, broker: "amqps://127.0.0.1:\(port)")
        let login = fleet.amqpURL.replacingOccurrences(of: ":\(fleet.services.port)/", with: ":\(port)/")
        try await tell(.untrustedAMQPS, fleet, ["AMQP_URL": "amqps" + login.dropFirst("amqp".count)])
      }
      let keys = "\(fleet.folder)/keys"
      _ = try KeyRing.createKey("stranger", folder: keys)
      try await fail(.foreignKey, fleet, broker: "amqp://127.0.0.1:\(fleet.services.port)", ["SPOT_OPTIMIZER_KEYS_DIR": keys])
      let wrong = fleet.amqpURL.replacingOccurrences(of: fleet.services.password, with: "wrong")
      try await tell(.wrongPassword, fleet, ["AMQP_URL": wrong])
      try await withoutDatabase(fleet, port: closed.port)
      try await withSlowDatabase(fleet, server)
    }
    withExtendedLifetime(closed) {}
  }

  /// An agent that says something at its start, and mostly gets no further.
  private func fail(_ scenario: GuideCase.Scenario, _ fleet: Fleet, _ server: Fleet.Server, _ variables: [String: String] = [:])
    async throws
  {
    let state = ["SPOT_OPTIMIZER_STATE_DIR": "\(fleet.folder)/\(scenario.rawValue)"]
    let agent = try await fleet.launchAgent("agent-001", server, variables.merging(state) { $1 })
    await record.read(scenario, .agent, agent)
    try await agent.stop()
  }

  /// The same with a server that sends agents to this broker.
  private func fail(_ scenario: GuideCase.Scenario, _ fleet: Fleet, broker: String, _ variables: [String: String] = [:]) async throws {
    let server = try await fleet.startServer(role: "http", variables.merging(["AGENT_BROKER_URLS": broker]) { $1 })
    try await fail(scenario, fleet, server)
    try await server.program.stop()
  }

  /// A server that does not get further than its start.
  private func tell(_ scenario: GuideCase.Scenario, _ fleet: Fleet, _ variables: [String: String]) async throws {
    let server = try await fleet.run("spot-optimizer-server", ["--role", "worker"], fleet.serverEnvironment(variables))
    await record.read(scenario, .server, server)
    try await server.stop()
  }

  private func withoutDatabase(_ fleet: Fleet, port: Int) async throws {
    let program = try await fleet.run("spot-optimizer-server", [], fleet.serverEnvironment(["DB_PORT": String(port)]))
    let server = Fleet.Server(program: program, url: try await fleet.address(of: program))
    try await fleet.waitForBroker(of: server)
    try await fail(.noDatabase, fleet, server)
    await record.read(.noDatabase, .server, program)
    try await program.stop()
  }

  private func withSlowDatabase(_ fleet: Fleet, _ server: Fleet.Server) async throws {
    let login = fleet.database
    let connection = try await MySQL.Connection.open(
      DatabaseConfiguration(host: login.host, port: UInt16(login.port), user: login.user, password: login.password, database: login.name))
    do {
      try await connection.executeText("LOCK TABLES clients WRITE")
      try await fail(.slowDatabase, fleet, server)
      await record.read(.slowDatabase, .server, server.program)
      await connection.close()
    } catch {
      await connection.close()
      throw error
    }
  }

  // MARK: - The checklist

  private func checklist() async throws {
    try await withFleet { fleet in
      let login = fleet.database.environment.merging(["AMQP_URL": fleet.amqpURL]) { $1 }
      let given = record.variables(givenTo: .server, login)
      // A port, a log and a folder of keys of their own, so that many of them can run on one machine.
      let own = [
        "HTTP_HOST": "127.0.0.1", "HTTP_PORT": "0", "SPOT_OPTIMIZER_KEYS_DIR": fleet.services.keysDirectory,
        "SPOT_OPTIMIZER_LOG_FILE": "\(fleet.folder)/backend.log",
      ]
      let program = try await fleet.run("spot-optimizer-server", [], given.merging(own) { $1 })
      let server = Fleet.Server(program: program, url: try await fleet.address(of: program))
      try await program.waitForLine(containing: "Worker is consuming from", timeout: .seconds(60))
      record.worksWithWhatItWasGiven(.server)
      try await fleet.createClient()

      let environment = record.variables(
        givenTo: .agent, ["SPOT_OPTIMIZER_SERVER_URL": server.url, "SPOT_OPTIMIZER_CLIENT_TOKEN": fleet.token])
      let machine = ["AWS_EC2_METADATA_DISABLED": "true", "SPOT_OPTIMIZER_STATE_DIR": "\(fleet.folder)/agent-001"]
      let agent = try await fleet.run("spot-optimizer-agent", [], environment.merging(machine) { $1 })
      try await agent.waitForLine(containing: "takes its commands from the queue", timeout: .seconds(60))
      record.worksWithWhatItWasGiven(.agent)
      await record.read(.start, .agent, agent)
      // Nothing but what it must be told.
      let bare = try await fleet.startAgent("agent-002", server)

      let shell = try GuideShell(fleet, server)
      try await record.type(.shell, in: shell)
      record.show(.defaults, try await defaults(fleet, bare))

      // Here, where the newer one counts as alive for two minutes.
      _ = try await fleet.startAgent("agent-001", server, ["SPOT_OPTIMIZER_STATE_DIR": "\(fleet.folder)/twin"])
      await record.read(.sameName, .agent, agent)
      await record.read(.sameName, .server, program)
    }
  }

  /// What programs say that were not given the variable.
  private func defaults(_ fleet: Fleet, _ bare: Program) async throws -> String {
    let broker = ["AMQP_URL": fleet.amqpURL, "SPOT_OPTIMIZER_KEYS_DIR": fleet.services.keysDirectory]
    let agent = ["SPOT_OPTIMIZER_STATE_DIR": "\(fleet.folder)/nobody"]
    let obsolete = ["LOG_LEVEL": "DEBUG", "PENDING_COMMANDS_CHECK_INTERVAL": "15"]
    let url = ["SPOT_OPTIMIZER_SERVER_URL": "http://127.0.0.1:1"]
    let token = ["SPOT_OPTIMIZER_CLIENT_TOKEN": Self.wrongToken]
    let runs: [(String, [String], [String: String])] = [
      ("spot-optimizer-agent", [], agent.merging(token) { $1 }), ("spot-optimizer-agent", [], agent.merging(url) { $1 }),
      ("spot-optimizer-agent", [], agent.merging(url) { $1 }.merging(token) { $1 }.merging(obsolete) { $1 }),
      ("spot-optimizer-server", [], [:]), ("spotctl", ["doctor"], broker),
      ("spotctl", ["doctor", "agent-002"], broker.merging(fleet.database.environment) { $1 }),
    ]
    var text = bare.output
    for (name, arguments, environment) in runs {
      let program = try await fleet.run(name, arguments, environment)
      try await program.waitForExit(timeout: .seconds(120))
      text += "\n" + program.output
    }
    return text
  }

  // MARK: - An agent's life

  private func life() async throws {
    try await withFleet { fleet in
      let server = try await fleet.startServer(["SPOT_OPTIMIZER_LOG_FILE": "\(fleet.folder)/backend.log"])
      try await fleet.createClient()
      let closedToken = UUID().uuidString.lowercased()
      try await fleet.createClient("closed", token: closedToken, isActive: false)
      let agent = try await fleet.startAgent("agent-001", server)
      let first = try await fleet.waitForAgent("agent-001", "is online") { $0.status == "online" }

      let refused = try await fleet.launchAgent("refused", server, token: Self.wrongToken)
      let disabled = try await fleet.launchAgent("disabled", server, token: closedToken)
      await record.read(.badToken, .agent, refused)
      try await record.end(.badToken, refused)
      await record.read(.badToken, .server, server.program)
      await record.read(.disabledClient, .agent, disabled)

      // The agent's queue, while it is in use.
      let queue = try #require(first.queue)
      try await fleet.withChannel { try await $0.deleteQueue(queue) }
      await record.read(.queueGone, .agent, agent)
      try await fleet.result(of: try await fleet.insertCommand(for: "agent-001"))

      let shell = try GuideShell(fleet, server, fleet.agentEnvironment("typed", server, ["LOG_LEVEL": "DEBUG", "HTTP_PORT": "0"]))
      for id in ["agent-001", first.id] {
        try await record.type(.atWork, in: shell.replacing([("agent-id-here", id), ("AGENT_ID", first.id)]))
      }

      var seen = agent.lines.count
      try await record.type(.deletingRow, in: shell)
      await record.read(.deletedRow, .agent, agent, after: seen)
      let second = try await fleet.waitForAgent("agent-001", "is online again") { $0.status == "online" }

      seen = agent.lines.count
      try await fleet.execute("UPDATE clients SET is_active = 0 WHERE id = ?", [.text(Fleet.clientID)])
      await record.read(.disabledWhileRunning, .agent, agent, after: seen)
      try await record.type(.enabling, in: shell)
      try await fleet.waitForAgent("agent-001", "is taken back") { ($0.lastHeartbeatAt ?? .now()) > (second.lastHeartbeatAt ?? .now()) }

      seen = agent.lines.count
      try await record.type(.changingToken, in: shell)
      await record.read(.changedToken, .agent, agent, after: seen)
      try await fleet.execute("UPDATE clients SET client_token = ? WHERE id = ?", [.text(fleet.token), .text(Fleet.clientID)])
      try await fleet.waitForAgent("agent-001", "is offline") { $0.status == "offline" }
      try await fleet.waitForAgent("agent-001", "is online at last") { $0.status == "online" }
      await record.read(.serverLog, .server, server.program)
      checkIDs(in: server.program.lines, of: [first.id, second.id])

      try await record.type(.stopping, in: shell.replacing([("AGENT_PID", String(agent.pid))]))
      agent.send(SIGTERM)
      try await record.end(.stopping, agent)
    }
  }

  /// Either id of an agent finds its lines, but for those in which only the logical one can be known.
  private func checkIDs(in lines: [String], of rows: [String]) {
    let early = ["Credential for ", "Invalid client token attempt "]
    for line in lines {
      let hasRow = rows.contains { line.contains($0) }
      if hasRow == line.contains("agent-001") || (!hasRow && early.contains { line.contains($0) }) { continue }
      record.failed("both ids of an agent", FleetFailure(description: line))
    }
  }

  // MARK: - A broker in trouble

  private func brokerInTrouble() async throws {
    let services = try await LocalServices.separate()
    do {
      try await withFleet(on: services) { try await brokerInTrouble($0) }
      try await services.stop()
    } catch {
      try await services.stop()
      throw error
    }
  }

  private func brokerInTrouble(_ fleet: Fleet) async throws {
    let server = try await fleet.startServer()
    try await fleet.createClient()
    let agent = try await fleet.startAgent("agent-001", server)
    let shell = try GuideShell(fleet, server)

    try await fleet.services.rabbitmqctl("set_vm_memory_high_watermark", "absolute", "1MB")
    try await agent.waitForLine(containing: "(low on memory)", timeout: .seconds(60))
    // The broker tells whoever publishes: the server, when it has something to send.
    let command = try await fleet.insertCommand(for: "agent-001")
    try await server.program.waitForLine(containing: "The broker takes no messages", timeout: .seconds(60))
    try await record.type(.lowMemoryShell, in: shell)
    try await fleet.services.rabbitmqctl("set_vm_memory_high_watermark", "0.6")
    await record.read(.lowMemory, .agent, agent)
    await record.read(.alarmOnServer, .server, server.program)
    try await fleet.result(of: command, timeout: .seconds(90))
    try await fleet.services.rabbitmqctl("set_disk_free_limit", "1000000GB")
    await record.read(.lowDisk, .agent, agent)
    try await fleet.services.rabbitmqctl("set_disk_free_limit", "1MB")

    try await server.program.stop()
    try await eventually("heartbeats wait", timeout: .seconds(60)) { try await fleet.depth(of: Topology.heartbeatsQueue) > 0 }
    try await record.type(.backlog, in: shell)
    let next = try await fleet.startServer()
    let seen = agent.lines.count
    try await fleet.services.stopBroker()
    await record.read(.brokerStopped, .agent, agent, after: seen)
    await record.read(.brokerStopped, .server, next.program)
    let newcomer = try await fleet.launchAgent("agent-002", next)
    await record.read(.startWithoutBroker, .agent, newcomer)
  }
}
