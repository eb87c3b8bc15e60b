import AMQP
import MySQL
import ServiceRuntime

/// Takes the events that wait in `fleet_events` to the exchange `fleet.events`.
///
/// Read, publish with confirm, mark: none is lost, and one whose mark was lost is published again with the same id. Every server has a relay and one of them
/// works at a time, held apart by a lease, so that the events of one subject go out in the order in which they happened; whoever is woken and finds
/// another at work leaves it to that one, which looks again after it has given the lease up. No transaction is open while the broker works.
struct EventRelay: Sendable {
  /// Events published at once.
  static let batchSize = 1000
  /// Batches before the relay begins again at the oldest: a transaction that wrote early may commit late.
  static let batchesAtOnce = 20
  /// For events of processes that wake nobody.
  static let lookInterval = Duration.seconds(1)
  /// How long the broker may take to confirm a batch.
  static let publishTimeout = Duration.seconds(5)
  /// How long a relay that dies keeps the others away: longer than a batch may take.
  static let leaseDuration = Duration.seconds(15)
  /// The name of the lease.
  static let leaseName = "event_relay"

  let store: FleetEventStore
  let lease: Lease
  let publisher: Publisher
  let wakeup: Signal
  let logger: Logger
  private let metrics: EventMetrics

  init(_ pool: Pool, publisher: Publisher, wakeup: Signal, metrics: ServerMetrics, logger: Logger) {
    store = FleetEventStore(pool)
    lease = Lease(pool, name: Self.leaseName, duration: Self.leaseDuration)
    self.publisher = publisher
    self.wakeup = wakeup
    self.metrics = EventMetrics(metrics)
    self.logger = logger
  }

  /// Works until `stop` is wished or the task is cancelled. A wish lets the batch under way be finished.
  func run(until stop: StopRequest) async throws {
    let database = DatabaseRetry(logger: logger)
    var hasFailed = false
    while !stop.isRequested {
      let mayGoOn: Bool
      if await publisher.state == .connected, try await database.run({ try await store.hasWaiting() }),
        try await database.run({ try await lease.take() })
      {
        let failure = try await drain(database, stop)
        try await database.run { try await lease.release() }
        if let failure, !hasFailed { logger.error("Events wait in the database: \(failure)") }
        if failure == nil, hasFailed { logger.info("Events are published again") }
        hasFailed = failure != nil
        mayGoOn = failure == nil
      } else {
        mayGoOn = false
      }
      // Looks again at once after it has worked: what was written meanwhile may have woken a relay that then found the lease taken.
      if !mayGoOn { try await wakeup.wait(upTo: Self.lookInterval) }
    }
  }

  /// Publishes what waits, and returns why it cannot go on.
  private func drain(_ database: DatabaseRetry, _ stop: StopRequest) async throws -> String? {
    var last: Int64 = 0
    for batch in 0..<Self.batchesAtOnce where !stop.isRequested {
      // The first was just taken.
      if batch > 0 {
        guard try await database.run({ try await lease.take() }) else { return nil }
      }
      let found = try await database.run { [last] in try await store.waiting(after: last, limit: Self.batchSize) }
      if let newest = found.rows.last {
        last = newest.seq
        if let failure = try await publish(found.rows, database) { return "the broker does not take them: \(failure)" }
      }
      if let problem = found.problems.first { return "\(problem)" }
      if found.rows.count < Self.batchSize { return nil }
    }
    return nil
  }

  private func publish(_ events: [StoredEvent], _ database: DatabaseRetry) async throws -> AMQPError? {
    let results = await publisher.publish(events.map(CloudEvent.publication), timeout: Self.publishTimeout)
    var done: [Int64] = []
    var failure: AMQPError?
    for (event, result) in zip(events, results) {
      switch result {
      case .success:
        done.append(event.seq)
        metrics.count(published: event.type)
      case .failure(let error) where error.kind == .invalid:
        // A row that somebody wrote by hand: it can never be sent, and must not hold up the others.
        logger.error("Event \(event.id) '\(event.type)' can never be published and is passed over: \(error)")
        done.append(event.seq)
      case .failure(let error): failure = failure ?? error
      }
    }
    try await database.run { [done] in try await store.markPublished(done) }
    if !done.isEmpty { logger.debug("Published \(done.count) events") }
    return failure
  }
}
