import ServiceRuntime

/// Failures in a row of one kind of work: how long to wait after each, and what to say of it.
struct FailureSeries: Sendable {
  private var backoff: Backoff
  private let report: ErrorReport

  init(_ report: ErrorReport, ceiling: Duration) {
    self.report = report
    backoff = Backoff(ceiling: ceiling)
  }

  /// Counts a failure. `isLast` says that the third one ends the work: then there is no delay, and the lines say so.
  mutating func failed(_ operation: Operation, _ failure: Failure, givesUpAfterThree: Bool) -> (delay: Duration?, lines: [ErrorReport.Line])
  {
    let delay = backoff.nextDelay()
    let number = backoff.failureCount
    let next = givesUpAfterThree && number >= Backoff.attemptsBeforeReport ? nil : delay
    return (next, report.lines(operation, failure, number: number, retryingIn: next))
  }

  /// A success: the next failure is a first one.
  mutating func reset() { backoff.reset() }
}
