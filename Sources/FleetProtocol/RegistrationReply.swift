import ServiceRuntime

/// The server's answer to a registration: type `registered`, over direct reply-to.
public struct RegistrationReply: FleetMessage {
  /// `registered`.
  public static let type = MessageType.registered

  /// The agent's id (`agents.id`).
  public var agentID: String
  /// The client the agent belongs to.
  public var clientID: String
  /// The name it registered under.
  public var logicalAgentID: String
  /// The queue to consume commands from. It exists when the answer arrives.
  public var queue: String
  /// The queue's generation, to be said in heartbeats and in the next registration.
  public var generation: Int
  /// Seconds between heartbeats.
  public var heartbeatIntervalSeconds: Int
  /// The agent's configuration.
  public var config: AgentConfiguration
  /// The server's clock, for telling how wrong the agent's is.
  public var serverTime: Timestamp

  /// An answer; see the properties.
  public init(
    agentID: String, clientID: String, logicalAgentID: String, queue: String, generation: Int, heartbeatIntervalSeconds: Int,
    config: AgentConfiguration, serverTime: Timestamp
  ) {
    self.agentID = agentID
    self.clientID = clientID
    self.logicalAgentID = logicalAgentID
    self.queue = queue
    self.generation = generation
    self.heartbeatIntervalSeconds = heartbeatIntervalSeconds
    self.config = config
    self.serverTime = serverTime
  }

  /// Lengths and ranges.
  public func validate() throws(MessageError) {
    try MessageLimits.text(agentID, "agent_id", most: MessageLimits.identifierBytes)
    try MessageLimits.text(clientID, "client_id", most: MessageLimits.logicalIDBytes)
    try MessageLimits.text(logicalAgentID, "logical_agent_id", most: MessageLimits.logicalIDBytes)
    try MessageLimits.text(queue, "queue", most: Topology.longestName)
    try MessageLimits.number(generation, "generation", in: 1...AgentAddress.greatestGeneration)
    try MessageLimits.number(heartbeatIntervalSeconds, "heartbeat_interval_seconds", in: 1...MessageLimits.longestSeconds)
    try config.validate()
  }

  enum CodingKeys: String, CodingKey {
    case agentID = "agent_id"
    case clientID = "client_id"
    case logicalAgentID = "logical_agent_id"
    case queue, generation
    case heartbeatIntervalSeconds = "heartbeat_interval_seconds"
    case config
    case serverTime = "server_time"
  }
}
