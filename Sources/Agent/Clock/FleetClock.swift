import ServiceRuntime

/// The time that stands in messages: the server's, as far as it is known, else this machine's.
///
/// The server judges by `sent_at` whether an agent is alive, and the agent by `expires_at` whether a command is: both must mean the same clock.
final class FleetClock: Sendable {
  /// From this difference on the operator is told.
  static let tolerance = Duration.seconds(5)

  private let reading = Lock<ClockReading?>(nil)

  /// The corrected time.
  func now() -> Timestamp {
    let instant = ContinuousClock.now
    return reading.withLock { $0?.time(at: instant) } ?? .now()
  }

  /// Whether the server's clock was ever read.
  var isSet: Bool { reading.withLock { $0 != nil } }

  /// How far this machine's clock is ahead of the server's; negative when it is behind.
  var error: Duration { Timestamp.now().since(now()) }

  /// Takes a reading, and returns what to warn of when this machine's clock is off.
  func set(_ reading: ClockReading) -> String? {
    self.reading.withLock { $0 = reading }
    return Self.warning(error: error)
  }

  /// What to say of a clock that is wrong by this much.
  static func warning(error: Duration) -> String? {
    guard error.magnitude > tolerance else { return nil }
    let seconds = error.magnitude.milliseconds / 1000
    return "The clock of this machine is \(seconds)s \(error > .zero ? "ahead of" : "behind") the server's: the times in messages are "
      + "corrected by that; set the clock (NTP), or the log's own times mislead"
  }
}

extension Duration {
  /// Without its sign.
  var magnitude: Duration { self < .zero ? .zero - self : self }
}
