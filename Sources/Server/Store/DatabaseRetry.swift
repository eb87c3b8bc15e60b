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
  /// Whether trying again later may help, because it is not the statement's values that were judged: no connection could be made or kept, its
  /// outcome is not known (everything the server writes may be written twice), or the database takes no writes from anybody now.
  var isDatabaseAway: Bool {
    switch kind {
    case .connect, .connectionLost, .poolTimeout, .unknownOutcome: true
    default: isRetryable || (kind == .statement && Self.refusesEverybody.contains(code))
    }
  }

  /// What the server says to every statement, whatever is in it, until a person or a failover has mended it.
  private static let refusesEverybody: Set<UInt32> = [
    1021, 1030, 1114,  // the disk is full, or the storage engine fails
    1036, 1290, 1792, 1836,  // read-only: a replica after a failover, or an operator
    1037, 1038, 1041,  // out of memory
    1044, 1142, 1143, 1227,  // the login may not do it
    1049, 1146, 1932,  // the database or a table is not there
    1180, 1637,  // COMMIT failed, too many transactions at once
    1317, 1969, 3024,  // killed, or over its time
  ]
}
