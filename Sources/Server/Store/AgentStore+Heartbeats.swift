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

  /// An update; see the properties.
  public init(
    agentKey: Int64, status: AgentStatus, sentAt: Timestamp, monitoredInstances: [String]? = nil, instanceID: String? = nil,
    instanceType: String? = nil, mode: InstanceMode? = nil, az: String? = nil
  ) {
    self.agentKey = agentKey
    self.status = status
    self.sentAt = sentAt
    self.monitoredInstances = monitoredInstances
    self.instanceID = instanceID
    self.instanceType = instanceType
    self.mode = mode
    self.az = az
  }
}

extension AgentStore {
  /// Heartbeats in one statement: what keeps it far below `max_allowed_packet` and the parser's stack.
  static let heartbeatsInStatement = 2000

  /// Stores a batch in one transaction. Returns the keys whose agents do not exist (any more).
  ///
  /// Give one update an agent, the newest. A heartbeat older than what its row has changes nothing; one from the future counts as of now; one
  /// older than `heartbeatTimeout` moves the time but makes nobody look alive. Throws `MySQLError`; a deadlock or lock wait is repeated by itself.
  public func applyHeartbeats(_ updates: [HeartbeatUpdate]) async throws -> Set<Int64> {
    guard !updates.isEmpty else { return [] }
    // In the order of the keys over all statements, so that two workers lock rows in the same order and cannot wait for each other in a ring.
    let sorted = updates.sorted { $0.agentKey < $1.agentKey }
    let statements = stride(from: 0, to: sorted.count, by: Self.heartbeatsInStatement).map { start in
      HeartbeatStatement(sorted[start..<min(start + Self.heartbeatsInStatement, sorted.count)], heartbeatTimeout: heartbeatTimeout).sql
    }
    let matched = try await pool.transaction { connection in
      var matched = 0
      for statement in statements { matched += try await connection.executeText(statement).matchedRows }
      return matched
    }
    guard matched < updates.count else { return [] }
    let keys = Set(updates.map(\.agentKey))
    return keys.subtracting(try await existing(keys))
  }
}

/// The one statement for many heartbeats, in the order they are given.
///
/// `UPDATE (the batch) STRAIGHT_JOIN agents`: the batch is read first, and rows are locked in its order. The order of assignments in an UPDATE of several tables is not defined, so no assignment reads a
/// column that another one sets: whether a heartbeat is the newest is a condition of the row (`WHERE`), not of each column.
struct HeartbeatStatement {
  private(set) var sql: SQLText

  init(_ updates: ArraySlice<HeartbeatUpdate>, heartbeatTimeout: Duration) {
    // Columns that nobody in the batch sets are left out: most batches need none of them.
    let columns = Column.all.filter { column in updates.contains { column.value($0) != .null } }
    sql = SQLText(capacity: 512 + updates.count * (96 + columns.count * 24))
    sql.append(sql: "UPDATE (")
    for (index, update) in updates.enumerated() {
      sql.append(sql: index == 0 ? "SELECT " : " UNION ALL SELECT ")
      sql.append(.int(update.agentKey))
      sql.append(sql: index == 0 ? " AS agent_key, TIMESTAMP" : ", TIMESTAMP")
      sql.append(.timestamp(update.sentAt.storable))
      sql.append(sql: index == 0 ? " AS sent_at, " : ", ")
      sql.append(.text(update.status.rawValue))
      if index == 0 { sql.append(sql: " AS status") }
      for column in columns {
        sql.append(sql: ", ")
        sql.append(column.value(update))
        if index == 0 {
          sql.append(sql: " AS ")
          sql.append(sql: column.name)
        }
      }
    }
    sql.append(sql: ") batch STRAIGHT_JOIN agents ON agents.agent_key = batch.agent_key SET ")
    sql.append(sql: "agents.status = IF(batch.status IN ('offline', 'deleted') OR batch.sent_at >= NOW(3) - INTERVAL ")
    sql.append(.int(heartbeatTimeout.milliseconds * 1000))
    sql.append(sql: " MICROSECOND, batch.status, agents.status), agents.last_heartbeat_at = LEAST(batch.sent_at, NOW(3))")
    for column in columns { sql.append(sql: column.assignment) }
    sql.append(sql: " WHERE agents.last_heartbeat_at IS NULL OR agents.last_heartbeat_at <= LEAST(batch.sent_at, NOW(3))")
  }

  private struct Column: Sendable {
    let name: StaticString
    let assignment: StaticString
    let value: @Sendable (HeartbeatUpdate) -> Value

    static let all = [
      Column(
        name: "monitored_instances",
        assignment: ", agents.monitored_instances = COALESCE(batch.monitored_instances, agents.monitored_instances)",
        value: { Value($0.monitoredInstances.map(jsonArray)) }),
      Column(
        name: "instance_id", assignment: ", agents.instance_id = COALESCE(batch.instance_id, agents.instance_id)",
        value: { Value($0.instanceID) }),
      Column(
        name: "instance_type", assignment: ", agents.instance_type = COALESCE(batch.instance_type, agents.instance_type)",
        value: { Value($0.instanceType) }),
      Column(name: "mode", assignment: ", agents.mode = COALESCE(batch.mode, agents.mode)", value: { Value($0.mode?.rawValue) }),
      Column(name: "az", assignment: ", agents.az = COALESCE(batch.az, agents.az)", value: { Value($0.az) }),
    ]
  }
}

/// A JSON array of texts without JSONEncoder, which costs more than the rest of a heartbeat.
func jsonArray(_ texts: [String]) -> String {
  var json = "["
  for (index, text) in texts.enumerated() {
    json += index == 0 ? "\"" : ",\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"", "\\":
        json += "\\"
        json.unicodeScalars.append(scalar)
      case _ where scalar.value < 0x20:
        json += scalar.value < 0x10 ? "\\u000" : "\\u00"
        json += String(scalar.value, radix: 16)
      default: json.unicodeScalars.append(scalar)
      }
    }
    json += "\""
  }
  return json + "]"
}
