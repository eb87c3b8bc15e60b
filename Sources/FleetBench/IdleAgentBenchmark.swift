import AMQP
import FleetProtocol
import FoundationEssentials
import MySQL
import Server
import ServiceRuntime

/// `fleet-bench agent`: what a real agent that has nothing to do takes from its machine, and how long it takes to be there.
actor IdleAgentBenchmark: Benchmark {
  /// Between the first heartbeat and the looking: what belongs to the start is done then.
  private static let settling = Duration.seconds(2)

  private struct Figures {
    var ready: [Double] = []
    var heartbeat: [Double] = []
    var resident: [Double] = []
    var anonymous: [Double] = []
    var threads: [Double] = []
    var processor: [Double] = []
  }

  private let options: IdleAgentOptions
  private let settings: BenchSettings
  private let pool: Pool
  private let loop = EventLoop(name: "amqp-bench")
  private let folder = FileManager.default.temporaryDirectory.path + "/fleet-bench-\(randomUUID())"
  private var fleet: BenchFleet?
  private var server: ServerProcess?
  private var agent: ChildProcess?
  private var queues: [String] = []

  init(_ options: IdleAgentOptions, _ settings: BenchSettings) {
    self.options = options
    self.settings = settings
    pool = settings.database.pool()
  }

  func run() async throws {
    let program = try options.programs.product("spot-optimizer-agent")
    let fleet = try await BenchFleet.create(pool, agents: 0)
    self.fleet = fleet
    let server = try await ServerProcess.start(
      try options.programs.product("spot-optimizer-server"), role: "all",
      ["HTTP_HOST": "127.0.0.1", "HTTP_PORT": "0", "HEARTBEAT_INTERVAL": "30", "LOG_LEVEL": "INFO"])
    self.server = server
    let start = try await server.waitUntilServing()
    try await server.waitUntilHealthy(start)

    say("warming up")
    var discarded = Figures()
    try await measure(0, program, fleet, start, idle: .zero, &discarded)
    var figures = Figures()
    for round in 1...options.runs {
      say("run \(round) of \(options.runs): an agent that is idle for \(options.idle.shortText)")
      try await measure(round, program, fleet, start, idle: options.idle, &figures)
    }
    report(figures)
  }

  func cleanUp() async {
    if let agent { _ = await agent.stop() }
    if let server { _ = await server.stop() }
    await deleteQueues(queues, settings, on: loop)
    if let fleet { await fleet.remove() }
    if FileManager.default.fileExists(atPath: folder) {
      do { try FileManager.default.removeItem(atPath: folder) } catch { say("\(folder) could not be removed: \(error)") }
    }
    await pool.close()
    loop.stop()
  }

  /// An agent that has never run here, from its start to its first heartbeat, and then at rest.
  private func measure(
    _ round: Int, _ program: String, _ fleet: BenchFleet, _ server: ServerProcess.Start, idle: Duration, _ figures: inout Figures
  ) async throws {
    let address = try AgentAddress(clientID: fleet.clientID, logicalAgentID: "idle-\(round)")
    let began = ContinuousClock.now
    // Heartbeats are told at DEBUG.
    let agent = try await ChildProcess.start(
      [program],
      environment: [
        "SPOT_OPTIMIZER_SERVER_URL": server.url, "SPOT_OPTIMIZER_CLIENT_TOKEN": fleet.token, "LOGICAL_AGENT_ID": address.logicalAgentID,
        "SPOT_OPTIMIZER_STATE_DIR": "\(folder)/\(address.logicalAgentID)", "AWS_EC2_METADATA_DISABLED": "true", "LOG_LEVEL": "DEBUG",
      ])
    self.agent = agent
    queues.append(address.queueName(generation: 1))
    let start = try await withDeadline(.seconds(90)) { try await Self.start(of: agent) }
    figures.ready.append(began.duration(to: start.ready).inSeconds * 1000)
    figures.heartbeat.append(began.duration(to: start.heartbeat).inSeconds * 1000)
    if idle > .zero {
      try await Task.sleep(for: Self.settling)
      let before = agent.usage()
      let from = ContinuousClock.now
      try await Task.sleep(for: idle)
      guard let before, let after = agent.usage() else { throw BenchError("the agent ended while it was idle") }
      let share = (after.processorTime - before.processorTime).inSeconds / from.duration(to: .now).inSeconds
      figures.resident.append(Double(after.resident) / 1e6)
      figures.anonymous.append(Double(after.anonymous) / 1e6)
      figures.threads.append(Double(after.threads))
      figures.processor.append(share * 100)
    }
    self.agent = nil
    let ending = await agent.stop()
    guard ending.code == 0 else { throw BenchError("the agent ended with exit code \(ending.code)") }
  }

  /// When it took commands, and when its first heartbeat was confirmed.
  private static func start(of agent: ChildProcess) async throws -> (ready: ContinuousClock.Instant, heartbeat: ContinuousClock.Instant) {
    var tail = LogTail()
    var ready: ContinuousClock.Instant?
    for await line in agent.lines {
      tail.append(line.text)
      if line.text.contains(" takes its commands from the queue ") { ready = line.at }
      if line.text.contains(" sent a heartbeat; ") { return (ready ?? line.at, line.at) }
    }
    try Task.checkCancellation()
    throw BenchError("the agent ended before its first heartbeat; its log ends:\n\(tail.text)")
  }

  private func report(_ figures: Figures) {
    var all = Measurements()
    all.add("start_ms", "start to taking commands", unit: "ms", figures.ready)
    all.add("first_heartbeat_ms", "start to first heartbeat", unit: "ms", figures.heartbeat)
    all.add("resident_mb", "memory, resident", unit: "MB", digits: 2, figures.resident)
    all.add("anonymous_mb", "memory, anonymous", unit: "MB", digits: 2, figures.anonymous)
    all.add("threads", "threads", figures.threads)
    all.add("cpu_percent", "processor time of one core, idle", unit: "%", digits: 3, figures.processor)
    all.write(asJSON: options.asJSON)
  }
}
