import AMQP
import FleetProtocol
import MySQL
import Server
import ServiceRuntime

/// `fleet-bench dispatch`: from the commit of a command to its agent's handler, on an idle system and while a backlog of heartbeats drains; and many at once.
actor DispatchBenchmark: Benchmark {
  private static let eventLoops = 2
  /// Nobody sends heartbeats for the agents that take commands, and none shall be called offline for it.
  private static let server = ["AGENT_HEARTBEAT_TIMEOUT": "86400"]

  private struct Figures: Sendable {
    var idle: [Durations] = []
    var draining: [Durations] = []
    var drained: [Double] = []
    var delivered: [Double] = []
    var stored: [Double] = []
  }

  private let options: DispatchOptions
  private let broker: ConnectionConfiguration
  private let pool: Pool
  private let loops: [EventLoop]
  private let heartbeatQueue: HeartbeatQueue
  private let takers: CommandFleet
  private var beating: BenchFleet?
  private var server: ServerProcess?
  /// Whether the heartbeats' queue held nothing before us, so that what is in it is ours.
  private var hasPublished = false

  init(_ options: DispatchOptions, _ settings: BenchSettings) {
    self.options = options
    broker = settings.broker.connection(named: "fleet-bench dispatch")
    pool = settings.database.pool()
    loops = (0..<Self.eventLoops).map { EventLoop(name: "amqp-bench-\($0)") }
    heartbeatQueue = HeartbeatQueue(broker: broker, loop: loops[0])
    takers = CommandFleet(options.agents, settings, broker, pool, on: loops)
  }

  func run() async throws {
    try allowOpenFiles(forAgents: options.agents, besides: 2 * CommandFleet.lanes + 64)
    let program = try options.programs.product("spot-optimizer-server")
    try await heartbeatQueue.requireUnused()
    let beating = try await BenchFleet.create(pool, agents: options.beatingAgents)
    self.beating = beating
    _ = try await startServer(program)
    say("registering \(options.agents) agents")
    try await takers.register()
    try await takers.work { try await self.measure(program, beating) }
  }

  func cleanUp() async {
    if let server { _ = await server.stop() }
    await takers.cleanUp()
    if hasPublished { await heartbeatQueue.purge() }
    if let beating { await beating.remove() }
    await pool.close()
    for loop in loops { loop.stop() }
  }

  // MARK: Server

  private func startServer(_ program: String) async throws -> ServerProcess.Start {
    let server = try await ServerProcess.start(program, role: "worker", Self.server)
    self.server = server
    return try await server.waitUntilServing()
  }

  private func stopServer() async throws {
    guard let server else { return }
    self.server = nil
    let ending = await server.stop()
    guard ending.code == 0 else { throw BenchError("the server ended with exit code \(ending.code)") }
  }

  // MARK: What is measured

  private func measure(_ program: String, _ beating: BenchFleet) async throws {
    say("warming up")
    _ = try await takers.trickle { $0 < 200 }
    _ = try await takers.flood(max(1, options.batch / 10))
    var figures = Figures()
    for round in 1...options.runs {
      say("run \(round) of \(options.runs): \(options.commands) commands on an idle system")
      figures.idle.append(try await takers.trickle { [options] in $0 < options.commands })
      say("run \(round) of \(options.runs): commands while \(options.heartbeats) heartbeats drain")
      try await measureDraining(program, beating, &figures)
      say("run \(round) of \(options.runs): \(options.batch) commands at once")
      let (delivered, stored) = try await takers.flood(options.batch)
      figures.delivered.append(Double(options.batch) / delivered.inSeconds)
      figures.stored.append(Double(options.batch) / stored.inSeconds)
    }
    report(figures)
  }

  private func measureDraining(_ program: String, _ beating: BenchFleet, _ figures: inout Figures) async throws {
    try await stopServer()
    let backlog = HeartbeatBacklog(fleet: beating, count: options.heartbeats, end: try await beating.databaseTime())
    hasPublished = true
    try await backlog.publish(broker, on: loops[0])
    let start = try await startServer(program)
    guard let server else { throw CancellationError() }
    let isOver = Lock(false)
    async let drained = {
      // Also when it fails: the commands would go on for ever.
      defer { isOver.withLock { $0 = true } }
      return try await server.drain(backlog.count, from: start)
    }()
    figures.draining.append(try await takers.trickle { _ in !isOver.withLock { $0 } })
    figures.drained.append(Double(backlog.count) / (try await drained).duration.inSeconds)
  }

  private func report(_ figures: Figures) {
    var all = Measurements()
    all.add("agents", "agents that take commands", [Double(options.agents)])
    for (key, title, runs) in [("idle", "idle", figures.idle), ("draining", "while draining", figures.draining)] {
      all.add("\(key)_commands", "\(title): commands", runs.map { Double($0.count) })
      for (name, percent) in [("p50", 50.0), ("p99", 99.0), ("p999", 99.9)] {
        all.add(
          "\(key)_\(name)_ms", "\(title): commit to handler, p\(decimal(percent, percent == 99.9 ? 1 : 0))", unit: "ms", digits: 2,
          runs.map { $0.milliseconds(percent) })
      }
    }
    all.add("draining_heartbeats_per_second", "while draining: heartbeats", unit: "/s", figures.drained)
    all.add("batch", "at once: commands of one commit", [Double(options.batch)])
    all.add("delivered_per_second", "at once: to the agents' handlers", unit: "commands/s", figures.delivered)
    all.add("stored_per_second", "at once: to stored results", unit: "commands/s", figures.stored)
    all.write(asJSON: options.asJSON)
  }
}
