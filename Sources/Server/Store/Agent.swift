import FleetProtocol
import MySQL
import ServiceRuntime

/// A row of `agents`.
public struct Agent: Sendable, Equatable {
  /// `agents.agent_key`: the short key that heartbeats go by.
  public let key: Int64
  /// `agents.id`, a UUID.
  public let id: String
  /// Whose agent it is, and its own name.
  public let address: AgentAddress
  /// What it said of its machine at its last registration.
  public let machine: Machine
  /// How its instance is paid for.
  public let mode: InstanceMode
  /// How it is.
  public let status: AgentStatus
  /// `amqp`, or `http` for a v4 agent that polls.
  public let transport: String
  /// When it last gave a sign of life, by its own clock, never in the future.
  public let lastHeartbeatAt: Timestamp?
  /// The instances it looks after.
  public let monitoredInstances: [String]
  /// The process that registered last.
  public let sessionID: String?
  /// When that process sent its registration.
  public let registrationSentAt: Timestamp?
  /// When the registration was stored.
  public let registeredAt: Timestamp?
  /// The generation of its queue; 0 before the first registration.
  public let generation: Int
  /// Its queue; `nil` for an agent that has none.
  public let queue: String?
  /// The configuration that holds for it: the row's overrides on the defaults.
  public let configuration: AgentConfiguration
  /// Counted up by every change of it.
  public let configurationVersion: Int
  /// The version that the agent was last told at a registration or has said since; `nil` before either.
  public let appliedConfigurationVersion: Int?
  /// When the row was made.
  public let createdAt: Timestamp
  /// When it was last changed.
  public let updatedAt: Timestamp

  /// The columns that only describe.
  public struct Machine: Sendable, Equatable {
    /// Host name.
    public let hostname: String?
    /// EC2 instance.
    public let instanceID: String?
    /// Its type.
    public let instanceType: String?
    /// Its region.
    public let region: String?
    /// Its availability zone.
    public let az: String?
    /// Its image.
    public let amiID: String?
    /// The agent's version.
    public let agentVersion: String?
    /// Private address.
    public let privateIP: String?
    /// Public address.
    public let publicIP: String?
  }

  static let columns = """
    agent_key, id, client_id, logical_agent_id, hostname, instance_id, instance_type, region, az, ami_id, agent_version, mode, private_ip, \
    public_ip, status, transport, last_heartbeat_at, monitored_instances, session_id, registration_sent_at, registered_at, generation, queue, \
    config, config_version, applied_config_version, created_at, updated_at
    """

  init(_ row: Row) throws {
    let id = try row.string("id")
    key = Int64(try row.int("agent_key"))
    self.id = id
    address = try Self.address(row, id: id)
    machine = Machine(
      hostname: try row.optionalString("hostname"), instanceID: try row.optionalString("instance_id"),
      instanceType: try row.optionalString("instance_type"), region: try row.optionalString("region"), az: try row.optionalString("az"),
      amiID: try row.optionalString("ami_id"), agentVersion: try row.optionalString("agent_version"),
      privateIP: try row.optionalString("private_ip"), publicIP: try row.optionalString("public_ip"))
    mode = try row.word(InstanceMode.self, "mode", table: "agents", id: id)
    status = try row.word(AgentStatus.self, "status", table: "agents", id: id)
    transport = try row.string("transport")
    lastHeartbeatAt = try row.optionalTimestamp("last_heartbeat_at")
    monitoredInstances = try row.json([String].self, "monitored_instances", table: "agents", id: id) ?? []
    sessionID = try row.optionalString("session_id")
    registrationSentAt = try row.optionalTimestamp("registration_sent_at")
    registeredAt = try row.optionalTimestamp("registered_at")
    generation = try row.int("generation")
    queue = try row.optionalString("queue")
    configuration = try Self.configuration(row, id: id)
    configurationVersion = try row.int("config_version")
    appliedConfigurationVersion = try row.optionalInt("applied_config_version")
    createdAt = try row.timestamp("created_at")
    updatedAt = try row.timestamp("updated_at")
  }

  static func address(_ row: Row, id: String) throws -> AgentAddress {
    do {
      return try AgentAddress(clientID: try row.string("client_id"), logicalAgentID: try row.string("logical_agent_id"))
    } catch let error as ConfigurationError {
      throw StoreError(table: "agents", id: id, problem: "columns client_id and logical_agent_id make no address: \(error)")
    }
  }

  static func configuration(_ row: Row, id: String) throws -> AgentConfiguration {
    let configuration = try row.json(AgentConfiguration.self, "config", table: "agents", id: id) ?? AgentConfiguration()
    do throws(MessageError) {
      try configuration.validate()
    } catch {
      throw StoreError(table: "agents", id: id, problem: "column agents.config: \(error)")
    }
    return configuration
  }
}
