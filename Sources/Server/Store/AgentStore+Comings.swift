import FleetProtocol
import MySQL
import ServiceRuntime

// Who comes and goes, told in the transaction in which the row changes.
//
// `offline_since` is the mark that an agent was called offline and is not yet called back. So it needs no look at what a row was before a heartbeat changed
// it: afterwards, those that are not offline any more and still have the mark are found by one look into the index (status, offline_since), which
// nearly always has none, whether the fleet has ten agents or a hundred thousand and however many of them are gone for good.
extension AgentStore {
  /// Agents told of in one transaction.
  private static let mostReturns = heartbeatsInStatement

  /// What a heartbeat may say of an agent that is there.
  private static let present = AgentStatus.allCases.filter { $0 != .offline && $0 != .deleted }

  /// After the heartbeats of `batch` were written: who is back, and who said goodbye.
  static func announceChanges(after batch: ArraySlice<HeartbeatUpdate>, on connection: Connection) async throws -> Announcer.Announcement {
    var events = try await returned(on: connection)
    let leaving = batch.filter { $0.status == .offline }.map(\.agentKey)
    if !leaving.isEmpty { events += try await left(leaving, on: connection) }
    return try await Announcer.announce(events, on: connection)
  }

  private static func returned(on connection: Connection) async throws -> [AgentEvent] {
    var sql: SQLText = "SELECT "
    sql.append(sql: AgentSubject.columns)
    sql.append(sql: ", status, offline_since FROM agents WHERE offline_since IS NOT NULL AND status IN (")
    sql.append(list: present.map { .text($0.rawValue) })
    sql.append(sql: ") LIMIT ")
    sql.append(.int(Int64(mostReturns)))
    // Those that another worker is about to tell of are its own.
    sql.append(sql: " FOR UPDATE SKIP LOCKED")
    let rows = try await connection.queryText(sql)
    guard !rows.isEmpty else { return [] }
    try await mark(rows, "UPDATE agents SET offline_since = NULL WHERE agent_key IN (", on: connection)
    return try rows.map { row in
      AgentEvent(
        .agentOnline, try AgentSubject(row),
        [
          "cause": "heartbeat", "status": .string(try row.string("status")),
          "offline_since": .string(try row.timestamp("offline_since").iso8601),
        ])
    }
  }

  private static func left(_ keys: [Int64], on connection: Connection) async throws -> [AgentEvent] {
    var sql: SQLText = "SELECT "
    sql.append(sql: AgentSubject.columns)
    sql.append(sql: ", last_heartbeat_at FROM agents WHERE offline_since IS NULL AND status = 'offline' AND agent_key IN (")
    sql.append(list: keys.map { .int($0) })
    sql.append(sql: ")")
    let rows = try await connection.queryText(sql)
    guard !rows.isEmpty else { return [] }
    try await mark(rows, "UPDATE agents SET offline_since = NOW(3) WHERE agent_key IN (", on: connection)
    return try rows.map { row in
      AgentEvent(.agentOffline, try AgentSubject(row), try offlineFields(row, cause: "farewell"))
    }
  }

  private static func mark(_ rows: [Row], _ statement: StaticString, on connection: Connection) async throws {
    var sql = SQLText(capacity: 64 + rows.count * 8)
    sql.append(sql: statement)
    sql.append(list: try rows.map { .int(Int64(try $0.int("agent_key"))) })
    sql.append(sql: ")")
    try await connection.executeText(sql)
  }

  /// The fields of `agent.offline`; `row` has `last_heartbeat_at`.
  static func offlineFields(_ row: Row, cause: String) throws -> [String: JSONValue] {
    var fields: [String: JSONValue] = ["cause": .string(cause)]
    if let time = try row.optionalTimestamp("last_heartbeat_at") { fields["last_heartbeat_at"] = .string(time.iso8601) }
    return fields
  }

  /// After a registration was written: tells of it, and of the return of an agent that was offline; another instance begins without the notices of the one
  /// before. `before` is what the row had, `nil` for a new one.
  static func announceRegistration(
    _ id: String, before: RegistrationState?, on connection: Connection
  ) async throws -> Announcer.Announcement {
    let rows = try await connection.query(
      "SELECT \(AgentSubject.columns), status, offline_since, generation FROM agents WHERE id = ?", [.text(id)])
    guard let row = rows.first else { return Announcer.Announcement() }
    let subject = try AgentSubject(row)
    let status = try row.string("status")
    let isOffline = status == AgentStatus.offline.rawValue
    let since = try row.optionalTimestamp("offline_since")
    var fields: [String: JSONValue] = ["generation": .int(Int64(try row.int("generation"))), "status": .string(status)]
    if let before, before.instanceID != subject.instanceID {
      if let previous = before.instanceID { fields["previous_instance_id"] = .string(previous) }
      try await connection.execute(
        "UPDATE agents SET interruption_action = NULL, interruption_time = NULL, rebalance_time = NULL WHERE id = ?", [.text(id)])
    }
    var events = [AgentEvent(.agentRegistered, subject, fields)]
    if let since, !isOffline {
      try await connection.execute("UPDATE agents SET offline_since = NULL WHERE id = ?", [.text(id)])
      events.append(
        AgentEvent(
          .agentOnline, subject, ["cause": "registration", "status": .string(status), "offline_since": .string(since.iso8601)]))
    } else if since == nil, isOffline {
      // It lay in the broker for longer than an agent may be silent. The registration tells its status; its next sign of life is a return.
      try await connection.execute("UPDATE agents SET offline_since = NOW(3) WHERE id = ?", [.text(id)])
    }
    return try await Announcer.announce(events, on: connection)
  }
}
