import ServiceRuntime

/// When the next heartbeat is due: a value that outlives connections, so that an agent keeps its place in the interval.
///
/// The place is chosen by chance: a fleet that was started at once spreads its heartbeats over the interval.
struct HeartbeatSchedule: Sendable {
  /// Heartbeats that were missed while the broker was away are made good by one, within this time.
  static let catchUp = Duration.seconds(2)

  private var due: ContinuousClock.Instant?

  /// When to send the next one. `chance` lies in 0..<1.
  mutating func next(interval: Duration, now: ContinuousClock.Instant, chance: Double) -> ContinuousClock.Instant {
    let next =
      switch due {
      case nil: now + interval * chance
      case let due? where due < now: now + min(interval, Self.catchUp) * chance
      // The interval may have become shorter meanwhile.
      case let due?: min(due, now + interval)
      }
    due = next
    return next
  }

  /// One was sent: the next is due an interval after it was, not after it was confirmed, so that the interval does not drift.
  mutating func sent(interval: Duration, now: ContinuousClock.Instant) {
    let next = (due ?? now) + interval
    due = next > now ? next : now + interval
  }
}
