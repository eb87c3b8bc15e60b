/// When to try again: a pure schedule, so that it is tested without waiting.
///
/// The guide's schedule is the default: at once, after 1 s, after 2 s, then 4 s, 8 s, … up to 60 s. From the fourth attempt on the
/// delay has full jitter (drawn evenly between nothing and itself), so that a fleet does not come back in step; the first three are exact,
/// because the guide's log lines name them (`retrying in 1s`).
public struct Backoff: Sendable {
  /// Attempts that make up one reported failure: the guide's "after 3 attempts".
  public static let attemptsBeforeReport = 3

  /// The longest delay before jitter.
  public let ceiling: Duration
  private var failures = 0

  /// A schedule that starts afresh.
  public init(ceiling: Duration = .seconds(60)) { self.ceiling = ceiling }

  /// How many failures were counted since the last success.
  public var failureCount: Int { failures }

  /// Counts a failure and says how long to wait before the next attempt.
  public mutating func nextDelay(using generator: inout some RandomNumberGenerator) -> Duration {
    failures += 1
    let exponent = min(failures - 1, 30)
    let delay = min(Duration.seconds(1 << exponent), ceiling)
    guard failures >= Self.attemptsBeforeReport else { return delay }
    return .milliseconds(Int64.random(in: 0...max(1, delay.milliseconds), using: &generator))
  }

  /// Counts a failure and says how long to wait, with the system's random numbers.
  public mutating func nextDelay() -> Duration {
    var generator = SystemRandomNumberGenerator()
    return nextDelay(using: &generator)
  }

  /// Starts the schedule afresh after a success.
  public mutating func reset() { failures = 0 }
}
