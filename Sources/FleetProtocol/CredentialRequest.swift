/// The body of `POST /api/broker/credentials`; the client token is in the `Authorization` header.
public struct CredentialRequest: WireMessage {
  /// The agent's own name within its client.
  public var logicalAgentID: String

  /// A request for the agent of that name.
  public init(logicalAgentID: String) { self.logicalAgentID = logicalAgentID }

  /// Lengths.
  public func validate() throws(MessageError) {
    try MessageLimits.text(logicalAgentID, "logical_agent_id", most: MessageLimits.logicalIDBytes)
  }

  enum CodingKeys: String, CodingKey {
    case logicalAgentID = "logical_agent_id"
  }
}
