import ServiceRuntime

/// An agent's sign of life: type `heartbeat`.
public struct Heartbeat: FleetMessage {
  /// `heartbeat`.
  public static let type = MessageType.heartbeat

  /// All that it says but the time. Apart and shared, because a batch holds thousands of heartbeats that pass from hand to hand, most of which repeat
  /// what the one before said: each hand takes one reference and not one for each text.
  private final class Content: Sendable, Equatable {
    let values: Values

    init(_ values: Values) { self.values = values }

    static func == (left: Content, right: Content) -> Bool { left === right || left.values == right.values }
  }

  private struct Values: Sendable, Equatable {
    var agentID: String
    var status: AgentStatus
    var monitoredInstances: [String]
    var instanceID: String?
    var instanceType: String?
    var mode: InstanceMode?
    var az: String?
    var generation: Int
    var configVersion: Int?
  }

  private var content: Content

  private var values: Values {
    get { content.values }
    set { content = Content(newValue) }
  }

  /// When the agent sent it, by its clock.
  public var sentAt: Timestamp

  /// A heartbeat; see the properties.
  public init(
    agentID: String, status: AgentStatus, monitoredInstances: [String] = [], instanceID: String? = nil, instanceType: String? = nil,
    mode: InstanceMode? = nil, az: String? = nil, generation: Int, configVersion: Int? = nil, sentAt: Timestamp
  ) {
    content = Content(
      Values(
        agentID: agentID, status: status, monitoredInstances: monitoredInstances, instanceID: instanceID, instanceType: instanceType,
        mode: mode, az: az, generation: generation, configVersion: configVersion))
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

// MARK: What it says

extension Heartbeat {
  /// The id from the registration's answer.
  public var agentID: String {
    get { values.agentID }
    set { values.agentID = newValue }
  }

  /// How the agent is.
  public var status: AgentStatus {
    get { values.status }
    set { values.status = newValue }
  }

  /// The instances it looks after.
  public var monitoredInstances: [String] {
    get { values.monitoredInstances }
    set { values.monitoredInstances = newValue }
  }

  /// The instance it runs on, when it may have changed.
  public var instanceID: String? {
    get { values.instanceID }
    set { values.instanceID = newValue }
  }

  /// That instance's type.
  public var instanceType: String? {
    get { values.instanceType }
    set { values.instanceType = newValue }
  }

  /// How that instance is paid for.
  public var mode: InstanceMode? {
    get { values.mode }
    set { values.mode = newValue }
  }

  /// Where that instance is.
  public var az: String? {
    get { values.az }
    set { values.az = newValue }
  }

  /// The generation of the queue the agent consumes.
  public var generation: Int {
    get { values.generation }
    set { values.generation = newValue }
  }

  /// The version of the configuration the agent works by, when it has one from the server.
  public var configVersion: Int? {
    get { values.configVersion }
    set { values.configVersion = newValue }
  }
}

// MARK: JSON

extension Heartbeat {
  /// Decodes the fields; what has no value may be missing or null.
  public init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      agentID: try fields.decode(String.self, forKey: .agentID), status: try fields.decode(AgentStatus.self, forKey: .status),
      monitoredInstances: try fields.decode([String].self, forKey: .monitoredInstances),
      instanceID: try fields.decodeIfPresent(String.self, forKey: .instanceID),
      instanceType: try fields.decodeIfPresent(String.self, forKey: .instanceType),
      mode: try fields.decodeIfPresent(InstanceMode.self, forKey: .mode), az: try fields.decodeIfPresent(String.self, forKey: .az),
      generation: try fields.decode(Int.self, forKey: .generation),
      configVersion: try fields.decodeIfPresent(Int.self, forKey: .configVersion),
      sentAt: try fields.decode(Timestamp.self, forKey: .sentAt))
  }

  /// Encodes the fields that have a value.
  public func encode(to encoder: any Encoder) throws {
    var fields = encoder.container(keyedBy: CodingKeys.self)
    try fields.encode(agentID, forKey: .agentID)
    try fields.encode(status, forKey: .status)
    try fields.encode(monitoredInstances, forKey: .monitoredInstances)
    try fields.encodeIfPresent(instanceID, forKey: .instanceID)
    try fields.encodeIfPresent(instanceType, forKey: .instanceType)
    try fields.encodeIfPresent(mode, forKey: .mode)
    try fields.encodeIfPresent(az, forKey: .az)
    try fields.encode(generation, forKey: .generation)
    try fields.encodeIfPresent(configVersion, forKey: .configVersion)
    try fields.encode(sentAt, forKey: .sentAt)
  }
}
