import AMQP
import Agent
import FleetProtocol
import FoundationEssentials
import Glibc
import MySQL
import Server
import ServiceRuntime

/// `fleet-bench storm`: every agent of a fleet loses its connection at the same time, and comes back by its own rules.
actor StormBenchmark: Benchmark {
  /// Agents that start at the same time.
  private static let startedAtOnce = 32
  /// Descriptors of an agent: connection, event loop, journal.
  private static let filesOfAgent = 8
  /// After a storm, for what it has left behind in the broker.
  private static let settling = Duration.seconds(3)

  private struct Figures {
    var last: [Double] = []
    var median: [Double] = []
    var p99: [Double] = []
    var rate: [Double] = []
    var limit: [Double] = []
    var ratio: [Double] = []
    var calls: [Double] = []
    var health: [Double] = []
    var unhealthy: [Double] = []
  }

  private let options: StormOptions
  private let settings: BenchSettings
  private let pool: Pool
  private let loop = EventLoop(name: "amqp-bench")
  private let folder = FileManager.default.temporaryDirectory.path + "/fleet-bench-\(randomUUID())"
  private let watch = StormWatch()
  /// Calls for a credential, by the server's log.
  private let calls = Lock(0)
  private var fleet: BenchFleet?
  private var server: ServerProcess?

  init(_ options: StormOptions, _ settings: BenchSettings) {
    self.options = options
    self.settings = settings
    pool = settings.database.pool()
  }

  func run() async throws {
    guard let rabbitmqctl = settings.rabbitmqctl else {
      throw BenchError("RABBITMQCTL is not set: it makes the broker close the connections; eval \"$(broker/local env)\" sets it")
    }
    try allowOpenFiles(forAgents: options.agents, each: Self.filesOfAgent, besides: 256)
    let limit = try options.programs.limit("limit-storm")
    let fleet = try await BenchFleet.create(pool, agents: 0)
    self.fleet = fleet
    let server = try await ServerProcess.start(
      try options.programs.product("spot-optimizer-server"), role: "all",
      ["HTTP_HOST": "127.0.0.1", "HTTP_PORT": "0", "LOG_LEVEL": "INFO"])
    self.server = server
    let start = try await server.waitUntilServing()
    try await server.waitUntilHealthy(start)
    let probe = HealthProbe(start)
    try await withThrowingTaskGroup(of: Void.self) { [calls] group in
      group.addTask {
        for await line in server.lines where line.text.contains(" INFO - Credential for '") { calls.withLock { $0 += 1 } }
        try Task.checkCancellation()
        throw BenchError("the server ended")
      }
      group.addTask { try await probe.run() }
      group.addTask { try await self.runAgents(fleet, start) }
      group.addTask { try await self.measure(fleet, rabbitmqctl, limit, probe) }
      defer { group.cancelAll() }
      // The measuring has ended, or something could not go on.
      try await group.next()
    }
  }

  func cleanUp() async {
    if let server { _ = await server.stop() }
    if let fleet {
      await deleteQueues(await queues(of: fleet).map(\.queue), settings, on: loop)
      await fleet.remove()
    }
    if FileManager.default.fileExists(atPath: folder) {
      do { try FileManager.default.removeItem(atPath: folder) } catch { say("\(folder) could not be removed: \(error)") }
    }
    await pool.close()
    loop.stop()
  }

  // MARK: The agents

  /// Runs the agents' own code, each with a thread and a connection of its own, until the task is cancelled.
  private nonisolated func runAgents(_ fleet: BenchFleet, _ server: ServerProcess.Start) async throws {
    say("starting \(options.agents) agents")
    try await withThrowingTaskGroup(of: Void.self) { [watch, folder, options] group in
      for index in 0..<options.agents {
        try await watch.wait(for: index - Self.startedAtOnce)
        let settings = try AgentSettings(
          Environment([
            "SPOT_OPTIMIZER_SERVER_URL": server.url, "SPOT_OPTIMIZER_CLIENT_TOKEN": fleet.token, "LOGICAL_AGENT_ID": "storm-\(index)",
            "SPOT_OPTIMIZER_STATE_DIR": "\(folder)/\(index)", "AWS_EC2_METADATA_DISABLED": "true",
          ]))
        group.addTask {
          let exit = await Agent(settings, log: Logger(level: .info) { watch.read($0, of: index) }).run()
          try Task.checkCancellation()
          throw BenchError("the agent storm-\(index) ended with exit code \(exit.rawValue)")
        }
      }
      try await group.waitForAll()
    }
  }

  /// Who has which queue. Agents that registered again have another than at first.
  private nonisolated func queues(of fleet: BenchFleet) async -> [(name: String, queue: String)] {
    do {
      let rows = try await pool.withConnection { connection in
        try await connection.query(
          "SELECT logical_agent_id, queue FROM agents WHERE client_id = ? AND queue IS NOT NULL", [.text(fleet.clientID)])
      }
      return try rows.map { (try $0.string("logical_agent_id"), try $0.string("queue")) }
    } catch {
      say("the queues of the agents cannot be told: \(error)")
      return []
    }
  }

  // MARK: What is measured

  private func measure(_ fleet: BenchFleet, _ rabbitmqctl: String, _ limit: LimitProgram?, _ probe: HealthProbe) async throws {
    try await watch.wait(for: options.agents)
    say("warming up: a first storm")
    var discarded = Figures()
    try await storm(rabbitmqctl, probe, &discarded)
    var figures = Figures()
    for round in 1...options.runs {
      say("run \(round) of \(options.runs): \(options.agents) agents lose their connection")
      let rate = try await storm(rabbitmqctl, probe, &figures)
      guard let limit else { continue }
      let bare = try await connectByLimit(limit, fleet)
      figures.limit.append(bare)
      figures.ratio.append(rate / bare)
      say("agents \(decimal(rate, 0))/s, C loop \(decimal(bare, 0))/s")
      try await Task.sleep(for: Self.settling)
    }
    report(figures)
  }

  @discardableResult
  private func storm(_ rabbitmqctl: String, _ probe: HealthProbe, _ figures: inout Figures) async throws -> Double {
    try await Task.sleep(for: Self.settling)
    watch.reset()
    _ = probe.take()
    let before = calls.withLock { $0 }
    // The server's connections as well: a broker that was away is away for all.
    let child = try await ChildProcess.start([
      "/bin/sh", "-c", "\(rabbitmqctl) \"$@\"", "rabbitmqctl", "close_all_connections", "--vhost",
      settings.broker.connection(named: "").virtualHost,
      "fleet-bench storm",
    ])
    try await watch.wait(for: options.agents)
    let returns = watch.returns
    let ending = await child.waitForEnd()
    guard ending.code == 0, returns.count == options.agents else {
      throw BenchError("rabbitmqctl (RABBITMQCTL) ended with exit code \(ending.code), and \(returns.count) agents came back")
    }
    let health = probe.take()
    let rate = Double(options.agents) / returns.percentile(100).inSeconds
    figures.last.append(returns.percentile(100).inSeconds)
    figures.median.append(returns.percentile(50).inSeconds)
    figures.p99.append(returns.percentile(99).inSeconds)
    figures.rate.append(rate)
    figures.calls.append(Double(calls.withLock { $0 } - before))
    figures.health.append(health.took.milliseconds(99))
    figures.unhealthy.append(100 * Double(health.others) / Double(max(1, health.took.count)))
    return rate
  }

  /// As many logins by the C loop, with credentials of the same agents and on their queues, while the agents are connected.
  private func connectByLimit(_ limit: LimitProgram, _ fleet: BenchFleet) async throws -> Double {
    let logins = try AgentLogins(settings)
    let lines = try await queues(of: fleet).map { name, queue in
      let login = try logins.login(of: try AgentAddress(clientID: fleet.clientID, logicalAgentID: name))
      return "\(login.username) \(login.password) \(queue)\n"
    }
    let path = "\(folder)/logins"
    let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw BenchError("\(path) cannot be written: \(String(cString: strerror(errno)))") }
    let isWritten = writeFully(lines.joined(), to: descriptor)
    close(descriptor)
    defer { unlink(path) }
    guard isWritten else { throw BenchError("\(path) cannot be written") }
    let figures = try await limit.run([], input: path)
    guard let seconds = figures["connecting"], seconds > 0, let agents = figures["agents"] else {
      throw BenchError("\(limit.path) did not say how long it took")
    }
    return agents / seconds
  }

  private func report(_ figures: Figures) {
    var all = Measurements()
    all.add("agents", "agents that lose their connection", [Double(options.agents)])
    all.add("all_back_seconds", "first loss to the last agent's consuming", unit: "s", digits: 2, figures.last)
    all.add("p99_back_seconds", "first loss to consuming, p99", unit: "s", digits: 2, figures.p99)
    all.add("p50_back_seconds", "first loss to consuming, p50", unit: "s", digits: 2, figures.median)
    all.add("connections_per_second", "agents, jitter included", unit: "connections/s", figures.rate)
    all.add("limit_connections_per_second", "bare C loop", unit: "connections/s", figures.limit)
    all.add("ratio_to_limit", "ratio to the C loop, by pair", digits: 2, figures.ratio)
    all.add("server_calls", "calls for a credential meanwhile", figures.calls)
    all.add("health_p99_ms", "GET /health meanwhile, p99", unit: "ms", digits: 1, figures.health)
    all.add("health_not_ok_percent", "answers other than 200", unit: "%", digits: 1, figures.unhealthy)
    all.write(asJSON: options.asJSON)
  }
}
