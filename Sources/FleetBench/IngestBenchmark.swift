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
  private let drain: HeartbeatDrain
  private var fleet: BenchFleet?
  private var hasRunLimit = false

  init(_ options: IngestOptions, _ settings: BenchSettings) {
    self.options = options
    self.settings = settings
    broker = settings.broker.connection(named: "fleet-bench ingest")
    pool = settings.database.pool()
    drain = HeartbeatDrain(broker, on: loop)
  }

  func run() async throws {
    let program = try options.programs.product("spot-optimizer-server")
    let limit = try options.programs.limit("limit-drain")
    try await drain.requireUnused()
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
    await drain.cleanUp()
    if hasRunLimit { await removeLimit() }
    if let fleet { await fleet.remove() }
    await pool.close()
    loop.stop()
  }

  /// One pair: the worker, and the limit at once after it, on the machine as it is now.
  private func measure(_ count: Int, _ fleet: BenchFleet, _ program: String, _ limit: LimitProgram?, _ figures: inout Figures) async throws
  {
    let sample = try await drain.measure(count, of: fleet, program)
    figures.published.append(sample.published)
    figures.rate.append(sample.rate)
    figures.processor.append(sample.processor)
    figures.batch.append(sample.batch)
    figures.peak.append(sample.peak)
    let rate = sample.rate
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
