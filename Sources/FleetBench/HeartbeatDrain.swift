import AMQP
import FleetProtocol
import ServiceRuntime

/// How a real worker takes a backlog of heartbeats to rows: the measurement that `ingest` and `grow` share. Called by one task at a time.
actor HeartbeatDrain {
  /// One measurement.
  struct Sample: Sendable {
    /// Heartbeats a second, published and confirmed.
    let published: Double
    /// Heartbeats a second, from the worker's start of consuming to the last commit and acknowledgement.
    let rate: Double
    /// The worker's processor time meanwhile, in µs a heartbeat.
    let processor: Double
    /// Heartbeats in a batch.
    let batch: Double
    /// The most memory that the worker had, in MB.
    let peak: Double
  }

  private let broker: ConnectionConfiguration
  private let loop: EventLoop
  private let queue: HeartbeatQueue
  private var worker: ServerProcess?
  /// Whether the queue held nothing before us, so that what is in it is ours.
  private var hasPublished = false

  init(_ broker: ConnectionConfiguration, on loop: EventLoop) {
    self.broker = broker
    self.loop = loop
    queue = HeartbeatQueue(broker: broker, loop: loop)
  }

  /// Throws when somebody else uses the heartbeats' queue.
  func requireUnused() async throws { try await queue.requireUnused() }

  /// Lets so many heartbeats of the fleet pile up, starts the worker (`program`, with `variables`), follows it until all are rows, stops it, and checks that
  /// nothing was lost, and nothing mixed up.
  func measure(_ count: Int, of fleet: BenchFleet, _ program: String, _ variables: [String: String] = [:]) async throws -> Sample {
    let backlog = HeartbeatBacklog(fleet: fleet, count: count, end: try await fleet.databaseTime())
    hasPublished = true
    let began = ContinuousClock.now
    try await backlog.publish(broker, on: loop)
    let publishing = began.duration(to: .now)

    let worker = try await ServerProcess.start(program, role: "worker", variables)
    self.worker = worker
    let progress = try await worker.drain(count, from: try await worker.waitUntilServing())
    let peak = worker.usage()?.peak ?? 0
    self.worker = nil
    let ending = await worker.stop()
    guard ending.code == 0 else { throw BenchError("the worker ended with exit code \(ending.code)") }
    try await check(backlog)
    return Sample(
      published: Double(count) / publishing.inSeconds, rate: Double(count) / progress.duration.inSeconds,
      processor: progress.processorTime.inSeconds * 1e6 / Double(count),
      batch: Double(progress.heartbeats) / Double(max(1, progress.batches)), peak: Double(peak) / 1e6)
  }

  /// Stops the worker and empties the queue, as far as there is something of ours.
  func cleanUp() async {
    if let worker { _ = await worker.stop() }
    if hasPublished { await queue.purge() }
  }

  private func check(_ backlog: HeartbeatBacklog) async throws {
    let left = try await queue.status().messageCount
    guard left == 0 else { throw BenchError("\(left) heartbeats are still in \(Topology.heartbeatsQueue): they were not acknowledged") }
    let wrong = try await backlog.fleet.countWrongRows(newest: backlog.newest)
    if let example = wrong.example { throw BenchError("\(wrong.count) rows do not have their newest heartbeat: \(example)") }
  }
}
