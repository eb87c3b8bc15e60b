import FleetProtocol

/// Where a rollout stands (`rollouts.state`).
public enum RolloutState: String, WireEnum {
  /// Its targets are being written down.
  case preparing
  /// It waits for its time.
  case scheduled
  /// Its commands go out.
  case running
  /// Nothing goes out until somebody resumes it; what is under way goes on.
  case paused
  /// Every target has ended.
  case completed
  /// Called off.
  case cancelled
}

/// Where one target of a rollout stands (`rollout_targets.state`).
public enum RolloutTargetState: String, WireEnum {
  /// To get a command, as soon as there is room in the window and the agent is online.
  case waiting
  /// Its command is under way.
  case sent
  /// Its command succeeded.
  case succeeded
  /// Its command failed.
  case failed
  /// Its command did not end within its time.
  case timedOut = "timed_out"
  /// Its command was cancelled.
  case cancelled
  /// The rollout was cancelled before the agent had the command.
  case calledOff = "called_off"
  /// The agent did not come online for as long as the rollout lived.
  case givenUp = "given_up"
  /// The agent was deleted.
  case gone

  /// The states that count against the error budget.
  static let errors: [RolloutTargetState] = [.failed, .timedOut, .cancelled]

  /// What a command that stands so makes of its target; `nil` while it is under way. An agent that was away before it had the command waits again.
  init?(_ status: CommandStatus) {
    switch status {
    case .pending, .queued, .delivered, .running: return nil
    case .succeeded: self = .succeeded
    case .failed: self = .failed
    case .timedOut: self = .timedOut
    case .cancelled: self = .cancelled
    case .expired, .undeliverable: self = .waiting
    }
  }
}
