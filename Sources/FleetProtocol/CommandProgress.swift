import ServiceRuntime

/// How far a command has come before its end: type `progress`, with the routing key of results so that it is never overtaken by one.
public struct CommandProgress: FleetMessage {
  /// `progress`.
  public static let type = MessageType.progress

  /// How far.
  public enum Stage: String, WireEnum {
    /// It is in the agent's journal and waits for its turn.
    case delivered
    /// It was started.
    case running
    /// A message that claimed to be this command was not believed (signature, addressee): `reason` says why. The command itself may still come.
    case refused
  }

  /// The command's id.
  public var commandID: String
  /// The agent that speaks.
  public var agentID: String
  /// How far it has come.
  public var stage: Stage
  /// Why a message was refused.
  public var reason: String?
  /// When that was, by the agent's clock.
  public var at: Timestamp
  /// When the agent sent this, by its clock.
  public var sentAt: Timestamp

  /// A report; see the properties.
  public init(commandID: String, agentID: String, stage: Stage, reason: String? = nil, at: Timestamp, sentAt: Timestamp) {
    self.commandID = commandID
    self.agentID = agentID
    self.stage = stage
    self.reason = reason
    self.at = at
    self.sentAt = sentAt
  }

  /// Lengths.
  public func validate() throws(MessageError) {
    try MessageLimits.text(commandID, "command_id", most: MessageLimits.identifierBytes)
    try MessageLimits.text(agentID, "agent_id", most: MessageLimits.identifierBytes)
    try MessageLimits.prose(reason, "reason", most: MessageLimits.errorBytes)
  }

  enum CodingKeys: String, CodingKey {
    case commandID = "command_id"
    case agentID = "agent_id"
    case stage, reason, at
    case sentAt = "sent_at"
  }
}
