import ServiceRuntime

/// A command is called off: type `cancel`, through the agent's queue and ahead of all that waits in it.
///
/// An agent that has the command waiting never starts it, one that runs it kills its process group, and both report it as `cancelled`. One that
/// does not know it remembers the id, for the command may come later; one that has finished it does nothing, for its result is on its way.
public struct CommandCancellation: FleetMessage {
  /// `cancel`.
  public static let type = MessageType.cancel

  /// The command's id.
  public var commandID: String
  /// The agent it was given to.
  public var agentID: String
  /// When it was called off, by the server's clock.
  public var requestedAt: Timestamp

  /// A cancellation; see the properties.
  public init(commandID: String, agentID: String, requestedAt: Timestamp) {
    self.commandID = commandID
    self.agentID = agentID
    self.requestedAt = requestedAt
  }

  /// Lengths.
  public func validate() throws(MessageError) {
    try MessageLimits.text(commandID, "command_id", most: MessageLimits.identifierBytes)
    try MessageLimits.text(agentID, "agent_id", most: MessageLimits.identifierBytes)
  }

  enum CodingKeys: String, CodingKey {
    case commandID = "command_id"
    case agentID = "agent_id"
    case requestedAt = "requested_at"
  }
}
