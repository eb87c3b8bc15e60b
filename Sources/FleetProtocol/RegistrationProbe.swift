import ServiceRuntime

/// The question what a registration would bring, which registers nobody: type `probe`, published as a registration is and answered with
/// `RegistrationProbeReply` or `ErrorNotice` over direct reply-to. `spot-optimizer-agent doctor` asks it beside a running agent.
///
/// A type of its own and not a field of `register`: a server from before it would pass over the field, register the asker, and take the running agent's queue
/// away. So it puts the message aside as a dead letter and answers nothing.
public struct RegistrationProbe: FleetMessage {
  /// `probe`.
  public static let type = MessageType.probe

  /// The agent's own name within its client.
  public var logicalAgentID: String
  /// When it was sent, by the agent's clock.
  public var sentAt: Timestamp

  /// A question; see the properties.
  public init(logicalAgentID: String, sentAt: Timestamp) {
    self.logicalAgentID = logicalAgentID
    self.sentAt = sentAt
  }

  /// Lengths.
  public func validate() throws(MessageError) {
    try MessageLimits.text(logicalAgentID, "logical_agent_id", most: MessageLimits.logicalIDBytes)
  }

  enum CodingKeys: String, CodingKey {
    case logicalAgentID = "logical_agent_id"
    case sentAt = "sent_at"
  }
}
