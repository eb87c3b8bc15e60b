import FleetProtocol

/// Everything that `fleet.events` tells of. docs/events.md lists the same, and a test holds the two together.
public enum EventType: String, Sendable, CaseIterable {
  /// An agent has registered: a new one, or a new process of one that is known.
  case agentRegistered = "agent.registered"
  /// An agent that was offline gave a sign of life.
  case agentOnline = "agent.online"
  /// An agent said that it stops, or was silent for too long.
  case agentOffline = "agent.offline"
  /// An agent's spot instance will be taken away.
  case agentInterruption = "agent.interruption"
  /// An agent's spot instance runs an elevated risk of that.
  case agentRebalance = "agent.rebalance"

  /// A command was written.
  case commandPending = "command.pending"
  /// It is in the agent's queue.
  case commandQueued = "command.queued"
  /// It is in the agent's journal.
  case commandDelivered = "command.delivered"
  /// It runs.
  case commandRunning = "command.running"
  /// It ended well.
  case commandSucceeded = "command.succeeded"
  /// It ended badly.
  case commandFailed = "command.failed"
  /// It did not end within its time.
  case commandTimedOut = "command.timed_out"
  /// It was not started within its time.
  case commandExpired = "command.expired"
  /// It was called off.
  case commandCancelled = "command.cancelled"
  /// There was nowhere to send it to.
  case commandUndeliverable = "command.undeliverable"
  /// An agent would not run it.
  case commandRefused = "command.refused"

  /// A rollout has begun.
  case rolloutStarted = "rollout.started"
  /// It waits, by a person's wish or because its error budget is spent.
  case rolloutPaused = "rollout.paused"
  /// It goes on.
  case rolloutResumed = "rollout.resumed"
  /// Every target has its end.
  case rolloutCompleted = "rollout.completed"
  /// It was called off.
  case rolloutCancelled = "rollout.cancelled"

  /// A client was made.
  case clientCreated = "client.created"
  /// Its agents are let in again.
  case clientEnabled = "client.enabled"
  /// Its agents are refused.
  case clientDisabled = "client.disabled"

  /// Whether it is about one agent, so that a reaction can be bound to it.
  public var isOfAgent: Bool { rawValue.hasPrefix("agent.") }

  /// Whether AWS said it of the agent's instance, so that it has a time and an action of its own.
  public var isNotice: Bool { self == .agentInterruption || self == .agentRebalance }
}
