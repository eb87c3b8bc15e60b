import ServiceRuntime

/// How far a rollout has come, for people.
public struct RolloutProgress: Sendable, Equatable {
  /// How many newest errors are told.
  public static let errorsShown = 10
  /// The time over which the speed is measured.
  static let window = Duration.seconds(60)

  /// The rollout.
  public let rollout: Rollout
  /// Targets that wait for their agents to come online.
  public let away: Int
  /// Those of them that are offline.
  public let offline: Int
  /// Those of them that their configuration has switched off.
  public let disabled: Int
  /// The newest errors.
  public let errors: [Problem]
  /// Targets that ended within `measured`.
  public let recentlyEnded: Int
  /// The last minute, or as much of it as the rollout has run; `nil` when it has not.
  public let measured: Duration?

  /// One target whose command ended badly.
  public struct Problem: Sendable, Equatable {
    /// `agents.id`.
    public let agentID: String
    /// The agent's own name.
    public let logicalAgentID: String
    /// `failed`, `timed_out` or `cancelled`.
    public let state: String
    /// Why.
    public let error: String?
    /// The command.
    public let commandID: String?
  }

  /// A progress of these parts.
  init(rollout: Rollout, away: Int, offline: Int = 0, disabled: Int = 0, errors: [Problem], recentlyEnded: Int, measured: Duration?) {
    self.rollout = rollout
    self.away = away
    self.offline = offline
    self.disabled = disabled
    self.errors = errors
    self.recentlyEnded = recentlyEnded
    self.measured = measured
  }

  /// How long the rest takes at the speed of the last minute, those left out whose agents are away; `nil` when nothing moves.
  public var estimate: Duration? {
    guard rollout.state == .running, let measured else { return nil }
    return rollout.counts.estimate(recentlyEnded: recentlyEnded, over: measured, away: away)
  }
}

extension RolloutCounts {
  /// How long the rest takes when so many have ended in so long; `nil` when nothing moves or nothing is left.
  func estimate(recentlyEnded: Int, over measured: Duration, away: Int) -> Duration? {
    let rest = waiting + sent - away
    guard recentlyEnded > 0, measured > .zero, rest > 0 else { return nil }
    return .milliseconds(Int64((measured.inSeconds * 1000 * Double(rest) / Double(recentlyEnded)).rounded(.up)))
  }
}
