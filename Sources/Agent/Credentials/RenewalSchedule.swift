import ServiceRuntime

/// When to renew a credential: at 80 % of its lifetime, a little earlier by chance so that a fleet does not ask in step.
enum RenewalSchedule {
  /// The part of the lifetime that is left at the latest renewal.
  static let remainder = 0.2
  /// The part of the lifetime by which chance moves the renewal forward.
  static let spread = 0.05

  /// How long to wait from `now` (the server's clock) on; nothing when the moment has passed. `chance` lies in 0..<1.
  static func delay(now: Timestamp, expiresAt: Timestamp, lifetime: Duration, chance: Double) -> Duration {
    let beforeEnd = lifetime.inSeconds * (remainder + spread * chance)
    return max(.zero, expiresAt.since(now) - .milliseconds(Int64(beforeEnd * 1000)))
  }
}
