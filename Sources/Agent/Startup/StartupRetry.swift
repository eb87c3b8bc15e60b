import ServiceRuntime

/// Calls to the server while the agent is starting: at once, after 1 s, after 2 s, and then no more.
struct StartupRetry: Sendable {
  let report: ErrorReport
  let log: Logger

  /// Calls until it succeeds, is refused, or has failed three times; every failure is written to the log.
  ///
  /// Throws `ServerFailure`, or `CancellationError`.
  func run<Result>(_ call: () async throws(ServerFailure) -> Result) async throws -> Result {
    var failures = FailureSeries(report, ceiling: .seconds(60))
    while true {
      do throws(ServerFailure) {
        return try await call()
      } catch {
        switch error {
        case .cancelled: throw CancellationError()
        case .malformed(let operation, let problem):
          log.error("Unusable answer: \(operation) - \(problem)")
          throw error
        case .failed(let operation, let failure):
          let (delay, lines) = failures.failed(operation, failure, givesUpAfterThree: true)
          log.report(lines)
          guard error.isWorthRepeating, let delay else { throw error }
          try await Task.sleep(for: delay)
        }
      }
    }
  }
}
