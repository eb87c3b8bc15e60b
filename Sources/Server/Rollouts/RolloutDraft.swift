import FleetProtocol
import ServiceRuntime

/// A rollout that is to be written.
public struct RolloutDraft: Sendable {
  /// `rollouts.id`.
  public var id = randomUUID()
  /// What to run.
  public var commandType: String
  /// Its arguments, an object.
  public var parameters = JSONValue.object([:])
  /// Whom it is for, as it was written.
  public var target: String
  /// Commands under way at most.
  public var concurrency = RolloutShare.percent(hundredths: 1000)
  /// Errors that are tolerated; one more pauses the rollout.
  public var maxErrors = RolloutShare.percent(hundredths: 500)
  /// How many go first.
  public var canary: RolloutShare?
  /// When it begins.
  public var start = Start.now
  /// How urgent its commands are.
  public var priority = CommandPriority.normal
  /// How long each command may run, in seconds.
  public var timeoutSeconds = Command.defaultTimeoutSeconds
  /// Within which time each command is to be started, in seconds; after it the agent counts as away and its target waits again.
  public var deliverWithinSeconds = 300
  /// How long agents that are away are waited for, in seconds from the start.
  public var lifetimeSeconds = 7 * 86_400
  /// Who wrote it.
  public var createdBy: String?

  /// When a rollout begins.
  public enum Start: Sendable, Equatable {
    /// As soon as its targets are written down.
    case now
    /// So long after it was written, by the database's clock.
    case after(Duration)
    /// At this moment, by the database's clock.
    case at(Timestamp)
  }

  /// A rollout of what every one has.
  public init(commandType: String, target: String) {
    self.commandType = commandType
    self.target = target
  }

  /// The rules of commands, so that none is stored whose commands no agent would take, and those of shares.
  public func validate() throws(MessageError) {
    try ConfigurationState.checkIsNot(commandType)
    var command = CommandDraft(agentID: randomUUID(), clientID: nil, commandType: commandType)
    command.parameters = parameters
    command.priority = priority
    command.timeoutSeconds = timeoutSeconds
    try command.validate()
    for (field, seconds) in [("deliver_within_seconds", deliverWithinSeconds), ("lifetime_seconds", lifetimeSeconds)] {
      guard (1...MessageLimits.longestSeconds).contains(seconds) else {
        throw MessageError(field: field, problem: "is \(seconds); it must be from 1 to \(MessageLimits.longestSeconds)")
      }
    }
    guard !concurrency.isZero else {
      throw MessageError(field: "concurrency", problem: "is \(concurrency), with which nothing would ever start")
    }
  }
}
