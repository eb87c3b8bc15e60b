import ServiceRuntime

/// The end of a command: type `result`.
public struct CommandResult: FleetMessage {
  /// `result`.
  public static let type = MessageType.result

  /// How a command ended.
  public enum Outcome: String, WireEnum {
    /// It did what it was to do.
    case succeeded
    /// It did not; `error` says why.
    case failed
  }

  /// The command's id.
  public var commandID: String
  /// The agent that ran it.
  public var agentID: String
  /// How it ended.
  public var status: Outcome
  /// What it gave back.
  public var output: JSONValue?
  /// Why it failed.
  public var error: String?
  /// When the agent began, by its clock.
  public var startedAt: Timestamp
  /// When it was done, by the agent's clock.
  public var finishedAt: Timestamp
  /// When the agent sent this, by its clock: later than `finishedAt` when the broker was away.
  public var sentAt: Timestamp

  /// A result; see the properties.
  public init(
    commandID: String, agentID: String, status: Outcome, output: JSONValue? = nil, error: String? = nil, startedAt: Timestamp,
    finishedAt: Timestamp, sentAt: Timestamp
  ) {
    self.commandID = commandID
    self.agentID = agentID
    self.status = status
    self.output = output
    self.error = error
    self.startedAt = startedAt
    self.finishedAt = finishedAt
    self.sentAt = sentAt
  }

  /// Lengths.
  public func validate() throws(MessageError) {
    try MessageLimits.text(commandID, "command_id", most: MessageLimits.identifierBytes)
    try MessageLimits.text(agentID, "agent_id", most: MessageLimits.identifierBytes)
    try MessageLimits.prose(error, "error", most: MessageLimits.errorBytes)
  }

  enum CodingKeys: String, CodingKey {
    case commandID = "command_id"
    case agentID = "agent_id"
    case status, output, error
    case startedAt = "started_at"
    case finishedAt = "finished_at"
    case sentAt = "sent_at"
  }
}
