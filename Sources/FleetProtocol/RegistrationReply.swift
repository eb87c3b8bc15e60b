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
  /// Its version, counted up by every change; 0 before the first, and when the field is absent.
  public var configVersion: Int
  /// The server's clock, for telling how wrong the agent's is.
  public var serverTime: Timestamp

  /// An answer; see the properties.
  public init(
    agentID: String, clientID: String, logicalAgentID: String, queue: String, generation: Int, heartbeatIntervalSeconds: Int,
    config: AgentConfiguration, configVersion: Int = 0, serverTime: Timestamp
  ) {
    self.agentID = agentID
    self.clientID = clientID
    self.logicalAgentID = logicalAgentID
    self.queue = queue
    self.generation = generation
    self.heartbeatIntervalSeconds = heartbeatIntervalSeconds
    self.config = config
    self.configVersion = configVersion
    self.serverTime = serverTime
  }

  /// Decodes; an absent `config_version` is 0.
  public init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    agentID = try fields.decode(String.self, forKey: .agentID)
    clientID = try fields.decode(String.self, forKey: .clientID)
    logicalAgentID = try fields.decode(String.self, forKey: .logicalAgentID)
    queue = try fields.decode(String.self, forKey: .queue)
    generation = try fields.decode(Int.self, forKey: .generation)
    heartbeatIntervalSeconds = try fields.decode(Int.self, forKey: .heartbeatIntervalSeconds)
    config = try fields.decode(AgentConfiguration.self, forKey: .config)
    configVersion = try fields.decodeIfPresent(Int.self, forKey: .configVersion) ?? 0
    serverTime = try fields.decode(Timestamp.self, forKey: .serverTime)
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
    try MessageLimits.number(configVersion, "config_version", in: 0...AgentConfiguration.greatestVersion)
  }

  enum CodingKeys: String, CodingKey {
    case agentID = "agent_id"
    case clientID = "client_id"
    case logicalAgentID = "logical_agent_id"
    case queue, generation
    case heartbeatIntervalSeconds = "heartbeat_interval_seconds"
    case config
    case configVersion = "config_version"
    case serverTime = "server_time"
  }
}
