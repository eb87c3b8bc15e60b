import FleetProtocol
import ServiceRuntime

/// Between the reader, which verifies the next heartbeats, and the committer, which writes the last ones: one batch that fills while
/// the other is being committed. Bounded: a full batch makes the reader wait.
final class HeartbeatBuffer: Sendable {
  private let batch = Lock(HeartbeatBatch())
  private let filled = Signal()
  private let drained = Signal()
  private let capacity: Int
  private let linger: Duration

  /// A buffer of about `capacity` messages; a batch that is not full waits `linger` for company.
  init(capacity: Int, linger: Duration) {
    self.capacity = capacity
    self.linger = linger
  }

  /// Adds verdicts, waiting while the batch is full. For one reader.
  func add(_ verdicts: [Verdict<Heartbeat>]) async throws {
    while batch.withLock({ $0.count }) >= capacity {
      await drained.wait()
      try Task.checkCancellation()
    }
    batch.withLock { batch in for verdict in verdicts { batch.add(verdict) } }
    filled.raise()
  }

  /// Waits for messages and takes them all. For one committer.
  func take() async throws -> HeartbeatBatch {
    while true {
      let count = batch.withLock { $0.count }
      if count > 0 {
        if count < capacity / 2 { try await Task.sleep(for: linger) }
        let taken = batch.withLock { batch in
          let taken = batch
          // The next is likely to be as large.
          batch = HeartbeatBatch(agents: taken.newest.count)
          return taken
        }
        drained.raise()
        return taken
      }
      await filled.wait()
      try Task.checkCancellation()
    }
  }
}
