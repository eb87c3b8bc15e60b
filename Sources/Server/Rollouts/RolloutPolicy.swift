/// What a rollout that runs is to do next: a value made of its limits, asked with its counts.
///
/// Nothing is remembered between two questions, so that it does not matter which server asks, or whether one has died in between. The canary is over when as
/// many targets as it has have run their command; until then no more are started than it has. As long as no more were started, the canary's own error budget
/// holds: the whole rollout's may be larger than the canary.
public struct RolloutPolicy: Sendable, Equatable {
  /// Commands under way at most, one at least.
  public var concurrency: Int
  /// Errors that are tolerated; one more pauses the rollout.
  public var tolerated: Int
  /// How many go first; 0 for none.
  public var canary: Int
  /// Errors that are tolerated among the canary.
  public var toleratedInCanary: Int
  /// Errors that an operator has seen and resumed after.
  public var forgiven = 0

  /// A policy of these limits.
  public init(concurrency: Int, tolerated: Int, canary: Int, toleratedInCanary: Int, forgiven: Int = 0) {
    self.concurrency = concurrency
    self.tolerated = tolerated
    self.canary = canary
    self.toleratedInCanary = toleratedInCanary
    self.forgiven = forgiven
  }

  /// The limits of a rollout over `total` targets. The window is rounded down, one at least; the canary up; tolerated errors down.
  public init(concurrency: RolloutShare, maxErrors: RolloutShare, canary: RolloutShare?, total: Int) {
    let first = min(canary?.roundedUp(of: total) ?? 0, total)
    self.init(
      concurrency: max(1, concurrency.roundedDown(of: total)), tolerated: maxErrors.roundedDown(of: total), canary: first,
      toleratedInCanary: maxErrors.roundedDown(of: first))
  }

  /// What to do.
  public enum Decision: Sendable, Equatable {
    /// Start up to so many more.
    case start(Int)
    /// Nothing until something ends.
    case wait
    /// Too many errors: `errors` since the rollout was last resumed, where `tolerated` would have been borne.
    case pause(errors: Int, tolerated: Int, inCanary: Bool)
    /// Every target has ended.
    case complete
  }

  /// Whether no more than the canary was started.
  public func isCanary(_ counts: RolloutCounts) -> Bool { counts.sent + counts.evidence <= canary }

  /// What to do with so many targets, of which `inFlight` have a command under way.
  public func decision(_ counts: RolloutCounts, inFlight: Int) -> Decision {
    guard counts.waiting > 0 else { return counts.sent > 0 ? .wait : .complete }
    let errors = max(0, counts.errors - forgiven)
    let inCanary = isCanary(counts)
    let tolerated = inCanary ? toleratedInCanary : self.tolerated
    guard errors <= tolerated else { return .pause(errors: errors, tolerated: tolerated, inCanary: inCanary) }
    let window = counts.evidence < canary ? min(concurrency, canary - counts.evidence) : concurrency
    let room = min(window - inFlight, counts.waiting)
    return room > 0 ? .start(room) : .wait
  }
}
