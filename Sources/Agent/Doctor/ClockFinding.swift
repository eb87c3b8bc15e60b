import Diagnosis
import ServiceRuntime

/// What to say of a clock that differs from the server's.
enum ClockFinding {
  private static let check = "clock"

  /// `error` is how far this machine's clock is ahead, `uncertainty` how wrong that may be, `lifetime` how long a credential lasts.
  ///
  /// The times in messages are corrected, so a small error only misleads readers of the log. One as long as a credential's life makes the one on disk look as if
  /// it had run out, or hides that it has, when the agent starts while the server has none to give; and TLS takes good certificates for bad ones.
  static func finding(error: Duration, uncertainty: Duration, lifetime: Duration) -> Finding {
    let side = error < .zero ? "behind" : "ahead of"
    let measured = "\(text(error.magnitude)) \(side) the server's, give or take \(text(uncertainty))"
    let remedy = "timedatectl set-ntp true"
    guard error.magnitude > FleetClock.tolerance + uncertainty else { return .pass(check, measured) }
    guard error.magnitude < lifetime else {
      return .fail(check, "\(measured): more than a credential lasts, so the one on disk cannot be judged", remedy: remedy)
    }
    return .warn(check, "\(measured): times in messages are corrected, those of the log are not", remedy: remedy)
  }

  private static func text(_ duration: Duration) -> String {
    duration < .seconds(10) ? duration.inMilliseconds : "\(duration.components.seconds) s"
  }
}
