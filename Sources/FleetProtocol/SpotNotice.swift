import ServiceRuntime

/// What AWS says about the agent's spot instance: type `notice`. The same notice may be sent several times; `time` and kind tell it.
public struct SpotNotice: FleetMessage {
  /// `notice`.
  public static let type = MessageType.notice

  /// What is said.
  public enum Kind: String, WireEnum {
    /// The instance will be stopped, terminated or hibernated at `time` (`spot/instance-action`).
    case interruption
    /// The instance runs an elevated risk of interruption since `time` (`events/recommendations/rebalance`).
    case rebalance
  }

  /// The agent that speaks.
  public var agentID: String
  /// What is said.
  public var kind: Kind
  /// `terminate`, `stop` or `hibernate`; absent for a recommendation.
  public var action: String?
  /// The service's own time: of the interruption, or of the recommendation.
  public var time: Timestamp
  /// The instance it is about.
  public var instanceID: String?
  /// When the agent sent it, by its clock.
  public var sentAt: Timestamp

  /// A notice; see the properties.
  public init(agentID: String, kind: Kind, action: String? = nil, time: Timestamp, instanceID: String? = nil, sentAt: Timestamp) {
    self.agentID = agentID
    self.kind = kind
    self.action = action
    self.time = time
    self.instanceID = instanceID
    self.sentAt = sentAt
  }

  /// Lengths.
  public func validate() throws(MessageError) {
    try MessageLimits.text(agentID, "agent_id", most: MessageLimits.identifierBytes)
    try MessageLimits.text(action, "action", most: MessageLimits.wordBytes)
    try MessageLimits.text(instanceID, "instance_id", most: MessageLimits.identifierBytes)
  }

  enum CodingKeys: String, CodingKey {
    case agentID = "agent_id"
    case kind, action, time
    case instanceID = "instance_id"
    case sentAt = "sent_at"
  }
}
