import ServiceRuntime

/// One look at the server's clock: what it showed, and between which moments of ours.
struct ClockReading: Sendable, Equatable {
  /// What the server's clock showed.
  let serverTime: Timestamp
  /// The moment it showed that: half way between question and answer, which is wrong by half the round trip at most.
  let instant: ContinuousClock.Instant

  /// A reading that was asked for and answered at these moments.
  init(serverTime: Timestamp, asked: ContinuousClock.Instant, answered: ContinuousClock.Instant) {
    self.serverTime = serverTime
    instant = asked + asked.duration(to: answered) / 2
  }

  /// What the server's clock shows at `now`. Counted on from the reading by the machine's steady clock, so that setting its wall
  /// clock changes nothing.
  func time(at now: ContinuousClock.Instant) -> Timestamp { serverTime.advanced(by: instant.duration(to: now)) }
}
