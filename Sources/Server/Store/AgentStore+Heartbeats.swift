import FleetProtocol
import MySQL
import ServiceRuntime

/// What a heartbeat changes in its agent's row.
public struct HeartbeatUpdate: Sendable, Equatable {
  /// `agents.agent_key`.
  public var agentKey: Int64
  /// How the agent says it is.
  public var status: AgentStatus
  /// When it said so, by its clock.
  public var sentAt: Timestamp
  /// The instances it looks after; `nil` leaves what is there.
  public var monitoredInstances: [String]?
  /// The instance it runs on; `nil` leaves what is there.
  public var instanceID: String?
  /// That instance's type; `nil` leaves what is there.
  public var instanceType: String?
  /// How that instance is paid for; `nil` leaves what is there.
  public var mode: InstanceMode?
  /// That instance's zone; `nil` leaves what is there.
  public var az: String?
  /// The version of the configuration it works by; `nil` leaves what is there.
  public var configVersion: Int?

  /// An update; see the properties.
  public init(
    agentKey: Int64, status: AgentStatus, sentAt: Timestamp, monitoredInstances: [String]? = nil, instanceID: String? = nil,
    instanceType: String? = nil, mode: InstanceMode? = nil, az: String? = nil, configVersion: Int? = nil
  ) {
    self.agentKey = agentKey
    self.status = status
    self.sentAt = sentAt
    self.monitoredInstances = monitoredInstances
    self.instanceID = instanceID
    self.instanceType = instanceType
    self.mode = mode
    self.az = az
    self.configVersion = configVersion
  }

  /// What a message of the agent with this key changes.
  init(_ heartbeat: Heartbeat, agentKey: Int64) {
    self.init(
      agentKey: agentKey, status: heartbeat.status, sentAt: heartbeat.sentAt, monitoredInstances: heartbeat.monitoredInstances,
      instanceID: heartbeat.instanceID, instanceType: heartbeat.instanceType, mode: heartbeat.mode, az: heartbeat.az,
      configVersion: heartbeat.configVersion)
  }
}

extension AgentStore {
  /// Heartbeats in one statement: what keeps it far below `max_allowed_packet`.
  static let heartbeatsInStatement = 5000

  /// Stores a batch. Returns the keys whose agents do not exist (any more).
  ///
  /// Give one update an agent, the newest. A heartbeat older than what its row has changes nothing; one from the future counts as of now; one
  /// older than `heartbeatTimeout` moves the time but makes nobody look alive. Each statement is a transaction of its own and may be repeated
  /// without harm, so after an error the whole batch is to be given again. Throws `MySQLError`; a deadlock or lock wait is repeated by itself.
  public func applyHeartbeats(_ updates: [HeartbeatUpdate]) async throws -> Set<Int64> {
    // In the order of the keys, so that two workers lock rows in the same order and cannot wait for each other in a ring.
    let sorted = updates.sorted { $0.agentKey < $1.agentKey }
    var matched = 0
    for start in stride(from: 0, to: sorted.count, by: Self.heartbeatsInStatement) {
      let batch = sorted[start..<min(start + Self.heartbeatsInStatement, sorted.count)]
      // The details first: once the time is stored, the heartbeat that brought them would look old if it came again.
      if let details = HeartbeatStatement.details(batch) { _ = try await run(details) }
      matched += try await applyPresence(batch)
    }
    guard matched < updates.count else { return [] }
    let keys = Set(updates.map(\.agentKey))
    return keys.subtracting(try await existing(keys))
  }

  /// Time and status, and in the same transaction what there is to tell of them.
  private func applyPresence(_ batch: ArraySlice<HeartbeatUpdate>) async throws -> Int {
    let statement = HeartbeatStatement.presence(batch, heartbeatTimeout: heartbeatTimeout)
    let (matched, announcement) = try await pool.transaction { connection in
      let matched = try await connection.executeText(statement).matchedRows
      return (matched, try await Self.announceChanges(after: batch, on: connection))
    }
    announcer.committed(announcement)
    return matched
  }

  private func run(_ statement: SQLText) async throws -> Int {
    try await pool.transaction { connection in try await connection.executeText(statement).matchedRows }
  }
}
