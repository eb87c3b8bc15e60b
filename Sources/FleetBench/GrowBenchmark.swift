import AMQP
import FleetProtocol
import MySQL
import Server
import ServiceRuntime

/// `fleet-bench grow`: what `ingest` and `dispatch` measure, with as many messages each time while the tables grow; and `ingest` while old rows are removed.
actor GrowBenchmark: Benchmark {
  /// Agents of which heartbeats come, at most: as many with every size, spread over the table.
  static let mostBeating = 1000
  /// Agents that take commands, besides.
  static let takers = 50
  static let warmUpCommands = 100
  /// Nobody sends heartbeats for the other agents, and none shall be called offline for it; what is old stays.
  private static let keeping = ["AGENT_HEARTBEAT_TIMEOUT": "86400", "SPOT_OPTIMIZER_RETENTION_DAYS": "3650"]
  /// Commands of the past are older than that.
  private static let removing = keeping.merging(["SPOT_OPTIMIZER_RETENTION_DAYS": "30"]) { $1 }

  private let options: GrowOptions
  private let broker: ConnectionConfiguration
  private let pool: Pool
  private let loops = (0..<2).map { EventLoop(name: "amqp-bench-\($0)") }
  private let drain: HeartbeatDrain
  private let takers: CommandFleet
  private var server: ServerProcess?
  private var fleet: BenchFleet?
  private var figures: GrowthFigures
  /// Rows of the past that there are.
  private var filled = 0
  /// Whether there were neither agents nor commands before us, so that those that are there are ours.
  private var ownsTables = false

  init(_ options: GrowOptions, _ settings: BenchSettings) {
    self.options = options
    broker = settings.broker.connection(named: "fleet-bench grow")
    pool = settings.database.pool()
    drain = HeartbeatDrain(broker, on: loops[0])
    takers = CommandFleet(Self.takers, settings, broker, pool, on: loops)
    figures = GrowthFigures(plan: options.plan, heartbeats: options.heartbeats, commands: options.commands)
  }

  func run() async throws {
    try allowOpenFiles(forAgents: Self.takers, besides: 2 * CommandFleet.lanes + 64)
    let program = try options.programs.product("spot-optimizer-server")
    try await drain.requireUnused()
    try await FleetHistory.requireEmptyTables(pool)
    ownsTables = true
    fleet = try await BenchFleet.create(pool, agents: 0)
    try await startServer(program)
    try await takers.register()
    try await stopServer()
    try await takers.work { try await self.measure(program) }
    let measured = figures.measurements
    measured.write(asJSON: options.asJSON)
    say("checked after every run of heartbeats: the queue is empty, every row has its newest heartbeat")
  }

  func cleanUp() async {
    if let server { _ = await server.stop() }
    await drain.cleanUp()
    if ownsTables, let fleet { await FleetHistory.remove(of: fleet) }
    await takers.cleanUp()
    if let fleet { await fleet.remove() }
    await pool.close()
    for loop in loops { loop.stop() }
  }

  private func startServer(_ program: String) async throws {
    let server = try await ServerProcess.start(program, role: "worker", Self.keeping)
    self.server = server
    _ = try await server.waitUntilServing()
  }

  private func stopServer() async throws {
    guard let server else { return }
    self.server = nil
    let ending = await server.stop()
    guard ending.code == 0 else { throw BenchError("the server ended with exit code \(ending.code)") }
  }

  // MARK: What is measured

  private func measure(_ program: String) async throws {
    for cell in options.plan.cells {
      let beating = try await grow(to: cell)
      say("\(cell.title): \(options.heartbeats) heartbeats of \(beating.members.count) agents, \(options.commands) commands")
      var sized = GrowthFigures.Sized()
      _ = try await drain.measure(max(beating.members.count, options.heartbeats / 10), of: beating, program, Self.keeping)
      for _ in 1...options.runs {
        let sample = try await drain.measure(options.heartbeats, of: beating, program, Self.keeping)
        sized.rate.append(sample.rate)
        sized.processor.append(sample.processor)
      }
      try await startServer(program)
      _ = try await takers.trickle { $0 < Self.warmUpCommands }
      for _ in 1...options.runs { sized.dispatch.append(try await takers.trickle { [options] in $0 < options.commands }) }
      try await takers.waitForResults()
      try await stopServer()
      figures.sized[cell] = sized
    }
    try await measureRetention(program)
  }

  /// On the tables as they are at last, the same heartbeats in turn while nothing is removed and while what is old is.
  private func measureRetention(_ program: String) async throws {
    guard filled > 0, let beating = fleet?.sample(options.beating) else { return }
    for round in 1...options.runs {
      say("run \(round) of \(options.runs): \(options.heartbeats) heartbeats, without and with the removal of old commands")
      let without = try await drain.measure(options.heartbeats, of: beating, program, Self.keeping)
      let before = try await FleetHistory.countCommands(pool)
      let with = try await drain.measure(options.heartbeats, of: beating, program, Self.removing)
      let removed = before - (try await FleetHistory.countCommands(pool))
      guard removed > 0 else { throw BenchError("no command was removed while the heartbeats came: give more of them (--heartbeats)") }
      figures.retention.rate.append(with.rate)
      figures.retention.ratio.append(with.rate / without.rate)
      figures.retention.removed.append(Double(removed))
    }
  }

  // MARK: Growing

  /// Brings the tables to this size; those of the agents whose heartbeats come.
  private func grow(to cell: GrowthPlan.Cell) async throws -> BenchFleet {
    guard var fleet else { throw CancellationError() }
    if fleet.members.count < cell.agents {
      say("growing to \(cell.agents) agents")
      fleet = try await fleet.adding(cell.agents - fleet.members.count)
      self.fleet = fleet
    }
    let history = FleetHistory(fleet, largest: options.plan.cells.last?.history ?? 0)
    if filled < cell.history {
      say("growing to \(cell.history) commands and system events")
      try await history.fill(from: filled, to: cell.history)
      filled = cell.history
    }
    try await history.settle()
    return fleet.sample(options.beating)
  }
}
