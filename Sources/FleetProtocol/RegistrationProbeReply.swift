import ServiceRuntime

/// The server's answer to a `RegistrationProbe`: type `probed`, over direct reply-to. Nothing was changed for it.
public struct RegistrationProbeReply: FleetMessage {
  /// `probed`.
  public static let type = MessageType.probed

  /// What would become of the registration of a process that starts now.
  public enum Outcome: String, WireEnum {
    /// The agent is new and would get its row.
    case created
    /// The agent is known and would get a queue of the next generation.
    case renewed
    /// It would be refused with 409: another process has registered since and is alive.
    case refused
  }

  /// The client the agent belongs to.
  public var clientID: String
  /// The name that was asked for.
  public var logicalAgentID: String
  /// What a registration would bring.
  public var outcome: Outcome
  /// The agent's id; `nil`, as all that follows of it, for an agent that the server does not know.
  public var agentID: String?
  /// Its status, as the row has it.
  public var status: AgentStatus?
  /// The instance it last spoke from.
  public var instanceID: String?
  /// Its queue; `nil` also for an agent that polls.
  public var queue: String?
  /// Its queue's generation; 0 for a row that nobody has registered for yet.
  public var generation: Int?
  /// Its last sign of life, as the row has it.
  public var lastHeartbeatAt: Timestamp?
  /// The server's clock.
  public var serverTime: Timestamp

  /// An answer; see the properties.
  public init(
    clientID: String, logicalAgentID: String, outcome: Outcome, agentID: String? = nil, status: AgentStatus? = nil,
    instanceID: String? = nil, queue: String? = nil, generation: Int? = nil, lastHeartbeatAt: Timestamp? = nil, serverTime: Timestamp
  ) {
    self.clientID = clientID
    self.logicalAgentID = logicalAgentID
    self.outcome = outcome
    self.agentID = agentID
    self.status = status
    self.instanceID = instanceID
    self.queue = queue
    self.generation = generation
    self.lastHeartbeatAt = lastHeartbeatAt
    self.serverTime = serverTime
  }

  /// Lengths and ranges.
  public func validate() throws(MessageError) {
    try MessageLimits.text(clientID, "client_id", most: MessageLimits.logicalIDBytes)
    try MessageLimits.text(logicalAgentID, "logical_agent_id", most: MessageLimits.logicalIDBytes)
    try MessageLimits.text(agentID, "agent_id", most: MessageLimits.identifierBytes)
    try MessageLimits.text(instanceID, "instance_id", most: MessageLimits.identifierBytes)
    try MessageLimits.text(queue, "queue", most: Topology.longestName)
    try MessageLimits.number(generation, "generation", in: 0...AgentAddress.greatestGeneration)
  }

  enum CodingKeys: String, CodingKey {
    case clientID = "client_id"
    case logicalAgentID = "logical_agent_id"
    case outcome
    case agentID = "agent_id"
    case status
    case instanceID = "instance_id"
    case queue, generation
    case lastHeartbeatAt = "last_heartbeat_at"
    case serverTime = "server_time"
  }
}
