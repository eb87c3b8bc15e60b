import ServiceRuntime

/// An agent's request to be known: type `register`, answered with `RegistrationReply` or `ErrorNotice` over direct reply-to.
public struct RegistrationRequest: FleetMessage {
  /// `register`.
  public static let type = MessageType.register

  /// The agent's own name within its client.
  public var logicalAgentID: String
  /// The machine's host name.
  public var hostname: String?
  /// The EC2 instance, or what stands for it elsewhere.
  public var instanceID: String
  /// Such as `c5.large`.
  public var instanceType: String
  /// Such as `us-east-1`.
  public var region: String
  /// The availability zone, such as `us-east-1a`.
  public var az: String
  /// The image the instance was started from.
  public var amiID: String?
  /// The agent's version.
  public var agentVersion: String?
  /// How the instance is paid for; `unknown` when the field is absent.
  public var mode: InstanceMode
  /// The instance's private address.
  public var privateIP: String?
  /// The instance's public address.
  public var publicIP: String?
  /// The agent's own tags (`SPOT_OPTIMIZER_TAGS`); those the operator gave it go before them.
  public var tags: [String: String]?
  /// A random id that this process keeps while it runs: tells a reconnect from a second agent under the same name.
  public var sessionID: String
  /// The generation of the queue this process had; `nil` at its first registration.
  public var generation: Int?
  /// When the agent sent it, by its clock.
  public var sentAt: Timestamp

  /// A request; see the properties.
  public init(
    logicalAgentID: String, hostname: String? = nil, instanceID: String, instanceType: String, region: String, az: String,
    amiID: String? = nil, agentVersion: String? = nil, mode: InstanceMode = .unknown, privateIP: String? = nil, publicIP: String? = nil,
    tags: [String: String]? = nil,
    sessionID: String, generation: Int? = nil, sentAt: Timestamp
  ) {
    self.logicalAgentID = logicalAgentID
    self.hostname = hostname
    self.instanceID = instanceID
    self.instanceType = instanceType
    self.region = region
    self.az = az
    self.amiID = amiID
    self.agentVersion = agentVersion
    self.mode = mode
    self.privateIP = privateIP
    self.publicIP = publicIP
    self.tags = tags
    self.sessionID = sessionID
    self.generation = generation
    self.sentAt = sentAt
  }

  /// Decodes; an absent or null `mode` is `unknown`.
  public init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    logicalAgentID = try fields.decode(String.self, forKey: .logicalAgentID)
    hostname = try fields.decodeIfPresent(String.self, forKey: .hostname)
    instanceID = try fields.decode(String.self, forKey: .instanceID)
    instanceType = try fields.decode(String.self, forKey: .instanceType)
    region = try fields.decode(String.self, forKey: .region)
    az = try fields.decode(String.self, forKey: .az)
    amiID = try fields.decodeIfPresent(String.self, forKey: .amiID)
    agentVersion = try fields.decodeIfPresent(String.self, forKey: .agentVersion)
    mode = try fields.decodeIfPresent(InstanceMode.self, forKey: .mode) ?? .unknown
    privateIP = try fields.decodeIfPresent(String.self, forKey: .privateIP)
    publicIP = try fields.decodeIfPresent(String.self, forKey: .publicIP)
    tags = try fields.decodeIfPresent([String: String].self, forKey: .tags)
    sessionID = try fields.decode(String.self, forKey: .sessionID)
    generation = try fields.decodeIfPresent(Int.self, forKey: .generation)
    sentAt = try fields.decode(Timestamp.self, forKey: .sentAt)
  }

  /// Lengths and ranges.
  public func validate() throws(MessageError) {
    try MessageLimits.text(logicalAgentID, "logical_agent_id", most: MessageLimits.logicalIDBytes)
    try MessageLimits.text(hostname, "hostname", most: MessageLimits.hostnameBytes)
    try MessageLimits.text(instanceID, "instance_id", most: MessageLimits.identifierBytes)
    try MessageLimits.text(instanceType, "instance_type", most: MessageLimits.wordBytes)
    try MessageLimits.text(region, "region", most: MessageLimits.wordBytes)
    try MessageLimits.text(az, "az", most: MessageLimits.wordBytes)
    try MessageLimits.text(amiID, "ami_id", most: MessageLimits.wordBytes)
    try MessageLimits.text(agentVersion, "agent_version", most: MessageLimits.wordBytes)
    try MessageLimits.text(privateIP, "private_ip", most: MessageLimits.wordBytes)
    try MessageLimits.text(publicIP, "public_ip", most: MessageLimits.wordBytes)
    if let tags { try AgentTags.validate(tags) }
    try MessageLimits.text(sessionID, "session_id", most: MessageLimits.identifierBytes)
    try MessageLimits.number(generation, "generation", in: 1...AgentAddress.greatestGeneration)
  }

  enum CodingKeys: String, CodingKey {
    case logicalAgentID = "logical_agent_id"
    case hostname
    case instanceID = "instance_id"
    case instanceType = "instance_type"
    case region, az
    case amiID = "ami_id"
    case agentVersion = "agent_version"
    case mode
    case privateIP = "private_ip"
    case publicIP = "public_ip"
    case tags
    case sessionID = "session_id"
    case generation
    case sentAt = "sent_at"
  }
}
