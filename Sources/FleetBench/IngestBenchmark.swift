import AMQP
import FleetProtocol
import MySQL
import Server
import ServiceRuntime

/// `fleet-bench ingest`: a backlog of heartbeats that a real worker takes to rows, and in turn with it the bare C loop that does no more than it must.
actor IngestBenchmark: Benchmark {
  private struct Figures {
    var published: [Double] = []
    var rate: [Double] = []
    var processor: [Double] = []
    var batch: [Double] = []
    var peak: [Double] = []
    var limit: [Double] = []
    var limitProcessor: [Double] = []
    var ratio: [Double] = []
  }

  private let options: IngestOptions
  private let broker: ConnectionConfiguration
  private let settings: BenchSettings
  private let pool: Pool
  private let loop = EventLoop(name: "amqp-bench")
  private let queue: HeartbeatQueue
  private var fleet: BenchFleet?
  private var worker: ServerProcess?
  /// Whether the queue held nothing before us, so that what is in it is ours.
  private var hasPublished = false
  private var hasRunLimit = false

  init(_ options: IngestOptions, _ settings: BenchSettings) {
    self.options = options
    self.settings = settings
    broker = settings.broker.connection(named: "fleet-bench ingest")
    pool = settings.database.pool()
    queue = HeartbeatQueue(broker: broker, loop: loop)
  }

  func run() async throws {
    let program = try options.programs.product("spot-optimizer-server")
    let limit = try options.programs.limit("limit-drain")
    try await queue.requireUnused()
    let fleet = try await BenchFleet.create(pool, agents: options.agents)
    self.fleet = fleet

    say("warming up")
    var discarded = Figures()
    try await measure(max(options.agents, options.heartbeats / 10), fleet, program, limit, &discarded)
    var figures = Figures()
    for round in 1...options.runs {
      say("run \(round) of \(options.runs): \(options.heartbeats) heartbeats of \(options.agents) agents")
      try await measure(options.heartbeats, fleet, program, limit, &figures)
    }
    report(figures)
  }

  func cleanUp() async {
    if let worker { _ = await worker.stop() }
    if hasPublished { await queue.purge() }
    if hasRunLimit { await removeLimit() }
    if let fleet { await fleet.remove() }
    await pool.close()
    loop.stop()
  }

  /// One pair: the worker, and the limit at once after it, on the machine as it is now.
  private func measure(_ count: Int, _ fleet: BenchFleet, _ program: String, _ limit: LimitProgram?, _ figures: inout Figures) async throws
  {
    let rate = try await drain(count, fleet, program, &figures)
    guard let limit else { return }
    hasRunLimit = true
    // Its batch is as large as the worker's unless it is told another.
    let bare = try await limit.run(["--heartbeats", "\(count)", "--agents", "\(options.agents)"])
    guard let seconds = bare["draining"], seconds > 0, let processor = bare["processor"] else {
      throw BenchError("\(limit.path) did not say how long it took")
    }
    let limitRate = Double(count) / seconds
    figures.limit.append(limitRate)
    figures.limitProcessor.append(processor * 1e6 / Double(count))
    figures.ratio.append(rate / limitRate)
    say("worker \(decimal(rate, 0))/s, C loop \(decimal(limitRate, 0))/s, ratio \(decimal(rate / limitRate, 2))")
  }

  private func drain(_ count: Int, _ fleet: BenchFleet, _ program: String, _ figures: inout Figures) async throws -> Double {
    let backlog = HeartbeatBacklog(fleet: fleet, count: count, end: try await fleet.databaseTime())
    hasPublished = true
    let began = ContinuousClock.now
    try await backlog.publish(broker, on: loop)
    let publishing = began.duration(to: .now)

    let worker = try await ServerProcess.start(program, role: "worker")
    self.worker = worker
    let progress = try await worker.drain(count, from: try await worker.waitUntilServing())
    let peak = worker.usage()?.peak ?? 0
    self.worker = nil
    let ending = await worker.stop()
    guard ending.code == 0 else { throw BenchError("the worker ended with exit code \(ending.code)") }
    try await check(backlog)

    let rate = Double(count) / progress.duration.inSeconds
    figures.published.append(Double(count) / publishing.inSeconds)
    figures.rate.append(rate)
    figures.processor.append(progress.processorTime.inSeconds * 1e6 / Double(count))
    figures.batch.append(Double(progress.heartbeats) / Double(max(1, progress.batches)))
    figures.peak.append(Double(peak) / 1e6)
    return rate
  }

  /// That nothing was lost, and nothing mixed up.
  private func check(_ backlog: HeartbeatBacklog) async throws {
    let left = try await queue.status().messageCount
    guard left == 0 else { throw BenchError("\(left) heartbeats are still in \(Topology.heartbeatsQueue): they were not acknowledged") }
    let wrong = try await backlog.fleet.countWrongRows(newest: backlog.newest)
    if let example = wrong.example { throw BenchError("\(wrong.count) rows do not have their newest heartbeat: \(example)") }
  }

  private func report(_ figures: Figures) {
    var all = Measurements()
    all.add("heartbeats", "heartbeats a run", [Double(options.heartbeats)])
    all.add("agents", "of so many agents", [Double(options.agents)])
    all.add("per_second", "worker, to committed rows", unit: "heartbeats/s", figures.rate)
    all.add("limit_per_second", "bare C loop", unit: "heartbeats/s", figures.limit)
    all.add("ratio_to_limit", "ratio to the C loop, by pair", digits: 2, figures.ratio)
    all.add("cpu_us_per_message", "worker's processor time", unit: "µs/heartbeat", digits: 2, figures.processor)
    all.add("limit_cpu_us_per_message", "C loop's processor time", unit: "µs/heartbeat", digits: 2, figures.limitProcessor)
    all.add("batch", "heartbeats in a batch", figures.batch)
    all.add("worker_peak_mb", "worker's memory at most", unit: "MB", digits: 1, figures.peak)
    all.add("published_per_second", "published, signed and confirmed", unit: "heartbeats/s", figures.published)
    all.write(asJSON: options.asJSON)
    say("checked after every run: the queue is empty, every row has its newest heartbeat")
  }

  /// What an interrupted C loop leaves behind.
  private func removeLimit() async {
    await deleteQueues(["fleet-bench.limit"], settings, on: loop)
    do {
      try await pool.withConnection { connection in _ = try await connection.execute("DROP TABLE IF EXISTS fleet_bench_limit") }
    } catch {
      say("the table fleet_bench_limit could not be removed: \(error)")
    }
  }
}
