import ServiceRuntime

/// Keeps a connection: opens one, runs the work on it, and opens the next when it breaks, on the schedule of `Backoff`.
public struct Reconnector: Sendable {
  /// A failed attempt or a lost connection, for the log.
  public struct Failure: Sendable {
    /// What happened.
    public let error: any Error
    /// Failures since the work last said that it is well, this one included.
    public let count: Int
    /// How long until the next attempt.
    public let delay: Duration
  }

  private let ceiling: Duration

  /// A keeper whose delays grow up to `ceiling`, with full jitter from the third failure on.
  public init(ceiling: Duration = .seconds(60)) { self.ceiling = ceiling }

  /// Runs until `work` returns or the task is cancelled (then it throws `CancellationError`), or `onFailure` throws.
  ///
  /// `connect` opens the connection (it may ask for a fresh credential and choose among brokers). `work` gets the connection and a closure to
  /// call once it is well, which starts the schedule afresh; it is cancelled when the connection breaks. Every connection is closed in good order.
  public func run(
    connect: @Sendable () async throws -> Connection,
    onFailure: @Sendable (Failure) async throws -> Void,
    work: @escaping @Sendable (Connection, _ healthy: @escaping @Sendable () -> Void) async throws -> Void
  ) async throws {
    let backoff = Lock(Backoff(ceiling: ceiling))
    while true {
      do {
        let connection = try await connect()
        let outcome = await outcome(of: work, on: connection) { backoff.withLock { $0.reset() } }
        await connection.close()
        return try outcome.get()
      } catch {
        try Task.checkCancellation()
        let (count, delay) = backoff.withLock { backoff in
          let delay = backoff.nextDelay()
          return (backoff.failureCount, delay)
        }
        try await onFailure(Failure(error: error, count: count, delay: delay))
        try await Task.sleep(for: delay)
      }
    }
  }

  private func outcome(
    of work: @escaping @Sendable (Connection, @escaping @Sendable () -> Void) async throws -> Void, on connection: Connection,
    healthy: @escaping @Sendable () -> Void
  ) async -> Result<Void, any Error> {
    await withTaskGroup(of: Result<Void, any Error>.self) { group in
      group.addTask {
        do {
          return .success(try await work(connection, healthy))
        } catch {
          return .failure(error)
        }
      }
      group.addTask {
        let reason = await connection.waitUntilClosed()
        return .failure(reason ?? CancellationError())
      }
      let first = await group.next() ?? .failure(CancellationError())
      group.cancelAll()
      return first
    }
  }
}
