import MySQL
import ServiceRuntime

/// Repeats work for as long as the database is away, and says so once and then every thirty seconds.
struct DatabaseRetry: Sendable {
  let logger: Logger
  /// Longest pause between attempts.
  var ceiling = Duration.seconds(5)

  /// Runs `body` until it returns or fails for another reason than a database that is away. Throws `CancellationError` when the task is cancelled.
  @discardableResult
  func run<Result: Sendable>(_ body: @Sendable () async throws -> Result) async throws -> Result {
    var backoff = Backoff(ceiling: ceiling)
    var lastReport: ContinuousClock.Instant?
    while true {
      do {
        let result = try await body()
        if backoff.failureCount > 0 { logger.info("Database is back") }
        return result
      } catch let error as MySQLError where error.isDatabaseAway {
        try Task.checkCancellation()
        if lastReport.map({ $0.duration(to: .now) > .seconds(30) }) ?? true {
          logger.error("Database cannot be reached: \(error) - work is held and tried again")
          lastReport = .now
        }
        try await Task.sleep(for: backoff.nextDelay())
      }
    }
  }
}

extension MySQLError {
  /// Whether trying again later may help, because no statement was judged: no connection could be made or kept, or its outcome is not known
  /// (everything the server writes may be written twice).
  var isDatabaseAway: Bool {
    switch kind {
    case .connect, .connectionLost, .poolTimeout, .unknownOutcome: true
    default: isRetryable
    }
  }
}
