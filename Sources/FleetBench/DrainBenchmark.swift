import AMQP
import FleetProtocol
import MySQL
import Server
import ServiceRuntime

/// `fleet-bench drain`: a backlog of heartbeats, and a real worker that takes it to rows.
actor DrainBenchmark: Benchmark {
  private let options: DrainOptions
  private let broker: ConnectionConfiguration
  private let pool: Pool
  private let loop = EventLoop(name: "amqp-bench")
  private var fleet: BenchFleet?
  private var worker: WorkerProcess?
  private var yardstick: Yardstick?
  /// Whether the queue held nothing before us, so that what is in it is ours.
  private var hasPublished = false

  init(_ options: DrainOptions, _ settings: BenchSettings) {
    self.options = options
    broker = settings.broker.connection(named: "fleet-bench drain")
    pool = settings.database.pool()
  }

  func run() async throws {
    let program = try WorkerProcess.program(options.serverProgram)
    try await checkQueue()
    let fleet = try await BenchFleet.create(pool, agents: options.agents)
    self.fleet = fleet
    let rate = try await drain(fleet, by: program)
    if let baseline = options.baseline {
      report("ratio to the baseline", "\(decimal(rate / baseline, 2)) (\(decimal(baseline, 0)) heartbeats/s then)")
    }
    if options.hasYardstick { try await measureYardstick(fleet, worker: rate) }
  }

  func cleanUp() async {
    if let worker { _ = await worker.stop() }
    if let yardstick { await yardstick.remove() }
    if hasPublished { await purge() }
    if let fleet { await fleet.remove() }
    await pool.close()
    loop.stop()
  }

  // MARK: The worker

  private func drain(_ fleet: BenchFleet, by program: String) async throws -> Double {
    let backlog = HeartbeatBacklog(fleet: fleet, count: options.heartbeats, end: try await databaseTime())
    say("publishing \(options.heartbeats) heartbeats of \(options.agents) agents")
    hasPublished = true
    let began = ContinuousClock.now
    try await backlog.publish(broker, on: loop)
    let publishing = began.duration(to: .now)
    report("published and confirmed/s", decimal(Double(options.heartbeats) / publishing.inSeconds, 0))

    say("starting a worker")
    let worker = try await WorkerProcess.start(program)
    self.worker = worker
    let heartbeats = options.heartbeats
    // A hundredth of what is promised: whoever needs longer is stuck.
    let progress = try await withDeadline(.seconds(60 + heartbeats / 500)) { try await worker.drain(heartbeats) }
    self.worker = nil
    let ending = await worker.stop()
    let rate = Double(heartbeats) / progress.duration.inSeconds
    report(Baseline.rateName, decimal(rate, 0))
    report("seconds", decimal(progress.duration.inSeconds, 2))
    report("batches", "\(progress.batches) (\(progress.heartbeats / max(1, progress.batches)) heartbeats each)")
    report(
      "worker's processor time", "\(decimal(ending.processorTime.inSeconds * 1e6 / Double(heartbeats), 2)) µs a heartbeat, start included")
    guard ending.code == 0 else { throw BenchError("the worker ended with exit code \(ending.code)") }
    try await check(backlog)
    return rate
  }

  private func check(_ backlog: HeartbeatBacklog) async throws {
    let left = try await queueStatus().messageCount
    guard left == 0 else { throw BenchError("\(left) heartbeats are still in \(Topology.heartbeatsQueue): they were not acknowledged") }
    let wrong = try await backlog.fleet.countWrongRows(newest: backlog.newest)
    if let example = wrong.example { throw BenchError("\(wrong.count) rows do not have their newest heartbeat: \(example)") }
    report("checked", "the queue is empty, \(options.agents) rows have their newest heartbeat")
  }

  // MARK: The yardstick

  private func measureYardstick(_ fleet: BenchFleet, worker rate: Double) async throws {
    let yardstick = Yardstick(fleet: fleet, broker: broker, database: pool.configuration, loop: loop)
    self.yardstick = yardstick
    try await yardstick.prepare()
    say("publishing \(options.heartbeats) heartbeats for the yardstick")
    let backlog = HeartbeatBacklog(fleet: fleet, count: options.heartbeats, end: try await databaseTime())
    try await backlog.publish(broker, on: loop, queue: yardstick.name)
    let duration = try await yardstick.drain(options.heartbeats)
    let bare = Double(options.heartbeats) / duration.inSeconds
    report("yardstick's heartbeats/s", "\(decimal(bare, 0)) (batches of \(Yardstick.batchSize))")
    report("ratio to the yardstick", decimal(rate / bare, 2))
  }

  // MARK: Broker and database

  private func checkQueue() async throws {
    let status = try await queueStatus()
    guard status.consumerCount == 0 else {
      throw BenchError("\(Topology.heartbeatsQueue) has \(status.consumerCount) consumers: stop the servers of this broker first")
    }
    guard status.messageCount == 0 else {
      throw BenchError(
        "\(Topology.heartbeatsQueue) holds \(status.messageCount) messages: let a server take them, or use a broker that nobody else is using"
      )
    }
  }

  private func queueStatus() async throws -> QueueStatus {
    try await withChannel { try await $0.queueStatus(Topology.heartbeatsQueue) }
  }

  private func purge() async {
    do {
      _ = try await withChannel { try await $0.purgeQueue(Topology.heartbeatsQueue) }
    } catch {
      say("\(Topology.heartbeatsQueue) could not be emptied: \(error)")
    }
  }

  private func withChannel<Result: Sendable>(_ body: @Sendable (Channel) async throws -> Result) async throws -> Result {
    try await withConnection(broker, on: loop) { connection in try await body(try await connection.openChannel()) }
  }

  private func databaseTime() async throws -> Timestamp {
    let rows = try await pool.withConnection { connection in try await connection.query("SELECT NOW(3) AS now") }
    guard let now = try rows.first?.timestamp("now") else { throw BenchError("the database does not tell the time") }
    return now
  }
}

/// Opens a connection for `body` and closes it whatever happens.
func withConnection<Result: Sendable>(
  _ configuration: ConnectionConfiguration, on loop: EventLoop, _ body: @Sendable (AMQP.Connection) async throws -> Result
) async throws -> Result {
  let connection = try await AMQP.Connection.open(configuration, on: loop)
  do {
    let result = try await body(connection)
    await connection.close()
    return result
  } catch {
    await connection.close()
    throw error
  }
}
