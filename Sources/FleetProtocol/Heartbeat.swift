import ServiceRuntime

/// An agent's sign of life: type `heartbeat`.
public struct Heartbeat: FleetMessage {
  /// `heartbeat`.
  public static let type = MessageType.heartbeat

  /// The id from the registration's answer.
  public var agentID: String
  /// How the agent is.
  public var status: AgentStatus
  /// The instances it looks after.
  public var monitoredInstances: [String]
  /// The instance it runs on, when it may have changed.
  public var instanceID: String?
  /// That instance's type.
  public var instanceType: String?
  /// How that instance is paid for.
  public var mode: InstanceMode?
  /// Where that instance is.
  public var az: String?
  /// The generation of the queue the agent consumes.
  public var generation: Int
  /// The version of the configuration the agent works by, when it has one from the server.
  public var configVersion: Int?
  /// When the agent sent it, by its clock.
  public var sentAt: Timestamp

  /// A heartbeat; see the properties.
  public init(
    agentID: String, status: AgentStatus, monitoredInstances: [String] = [], instanceID: String? = nil, instanceType: String? = nil,
    mode: InstanceMode? = nil, az: String? = nil, generation: Int, configVersion: Int? = nil, sentAt: Timestamp
  ) {
    self.agentID = agentID
    self.status = status
    self.monitoredInstances = monitoredInstances
    self.instanceID = instanceID
    self.instanceType = instanceType
    self.mode = mode
    self.az = az
    self.generation = generation
    self.configVersion = configVersion
    self.sentAt = sentAt
  }

  /// Lengths and ranges.
  public func validate() throws(MessageError) {
    try MessageLimits.text(agentID, "agent_id", most: MessageLimits.identifierBytes)
    try MessageLimits.count(monitoredInstances.count, "monitored_instances", most: MessageLimits.monitoredInstances)
    for instance in monitoredInstances {
      try MessageLimits.text(instance, "monitored_instances", most: MessageLimits.identifierBytes)
    }
    try MessageLimits.text(instanceID, "instance_id", most: MessageLimits.identifierBytes)
    try MessageLimits.text(instanceType, "instance_type", most: MessageLimits.wordBytes)
    try MessageLimits.text(az, "az", most: MessageLimits.wordBytes)
    try MessageLimits.number(generation, "generation", in: 1...AgentAddress.greatestGeneration)
    try MessageLimits.number(configVersion, "config_version", in: 0...AgentConfiguration.greatestVersion)
  }

  enum CodingKeys: String, CodingKey {
    case agentID = "agent_id"
    case status
    case monitoredInstances = "monitored_instances"
    case instanceID = "instance_id"
    case instanceType = "instance_type"
    case mode, az, generation
    case configVersion = "config_version"
    case sentAt = "sent_at"
  }
}
