import FleetProtocol
import MySQL
import ServiceRuntime

/// Reads how a fleet is. Events are read from their table and not from the broker: so it needs no broker, and shows what happened before it was started.
public struct FleetWatchStore: Sendable {
  /// Events that are looked at for those that concern the target.
  private static let eventsRead = 200

  private let pool: Pool

  /// A store in the pool's database.
  public init(_ pool: Pool) { self.pool = pool }

  /// The fleet as it is now, of the agents that a target hits; rollouts are shown whatever they are for.
  public func snapshot(of target: TargetExpression = .everyone) async throws -> FleetSnapshot {
    try await pool.withConnection { connection in
      guard let row = try await connection.query("SELECT NOW(3) AS now").first else { return FleetSnapshot(time: .now()) }
      var snapshot = FleetSnapshot(time: try row.timestamp("now"))
      try await Self.readAgents(target, &snapshot, on: connection)
      snapshot.commands = try await Self.commands(target, on: connection)
      snapshot.rollouts = try await Self.rollouts(on: connection)
      snapshot.events = try await Self.events(target, on: connection)
      return snapshot
    }
  }

  private static func readAgents(_ target: TargetExpression, _ snapshot: inout FleetSnapshot, on connection: Connection) async throws {
    let condition = target.condition
    let rows = try await connection.query(
      """
      SELECT a.status, COUNT(*) AS number, MIN(a.last_heartbeat_at) AS oldest, MAX(a.last_heartbeat_at) AS newest FROM agents a \
      WHERE \(condition.text) GROUP BY a.status
      """, condition.values)
    for row in rows {
      let status = try row.string("status")
      snapshot.agents.append(FleetSnapshot.Count(status, try row.int("number")))
      guard status != AgentStatus.offline.rawValue, status != AgentStatus.deleted.rawValue else { continue }
      snapshot.oldestHeartbeat = [snapshot.oldestHeartbeat, try row.optionalTimestamp("oldest")].compactMap(\.self).min()
      snapshot.newestHeartbeat = [snapshot.newestHeartbeat, try row.optionalTimestamp("newest")].compactMap(\.self).max()
    }
    snapshot.agents = ordered(snapshot.agents, AgentStatus.allCases.map(\.rawValue))
  }

  private static func commands(_ target: TargetExpression, on connection: Connection) async throws -> [FleetSnapshot.Count] {
    let open = CommandStatus.allCases.filter { !$0.isFinal }.map(\.rawValue)
    var sql: SQLText = "SELECT c.status, COUNT(*) AS number FROM commands c WHERE c.status IN ("
    sql.append(list: open.map { .text($0) })
    sql.append(sql: ")")
    if target != .everyone {
      sql.append(sql: " AND c.agent_id IN (SELECT a.id FROM agents a WHERE ")
      target.condition.append(to: &sql)
      sql.append(sql: ")")
    }
    sql.append(sql: " GROUP BY c.status")
    let counts = try await connection.queryText(sql).map { FleetSnapshot.Count(try $0.string("status"), try $0.int("number")) }
    return ordered(counts, open)
  }

  /// In the order of a status's way, unknown ones last.
  private static func ordered(_ counts: [FleetSnapshot.Count], _ order: [String]) -> [FleetSnapshot.Count] {
    counts.sorted { left, right in
      let places = (order.firstIndex(of: left.status) ?? order.count, order.firstIndex(of: right.status) ?? order.count)
      return places.0 == places.1 ? left.status < right.status : places.0 < places.1
    }
  }

  private static func rollouts(on connection: Connection) async throws -> [FleetSnapshot.Rollout] {
    try await connection.query(
      """
      SELECT id, command_type, state, waiting + sent + succeeded + failed + timed_out + cancelled + called_off + given_up + gone AS total, \
      succeeded + failed + timed_out + cancelled + called_off + given_up + gone AS ended, failed + timed_out + cancelled AS errors \
      FROM rollouts WHERE finished_at IS NULL ORDER BY created_at DESC LIMIT 20
      """
    ).map { row in
      FleetSnapshot.Rollout(
        id: try row.string("id"), command: try row.string("command_type"), state: try row.string("state"), total: try row.int("total"),
        ended: try row.int("ended"), failed: try row.int("errors"))
    }
  }

  private static func events(_ target: TargetExpression, on connection: Connection) async throws -> [FleetSnapshot.Event] {
    let rows = try await connection.query(
      "SELECT seq, time, type, subject, data FROM fleet_events ORDER BY seq DESC LIMIT ?", [.int(Int64(eventsRead))])
    var read: [(row: Row, data: JSONValue, agentID: String?)] = []
    for row in rows {
      // What somebody wrote by hand is shown without its details.
      let data = (try? WireCoding.decodeJSON(JSONValue.self, from: Array(try row.string("data").utf8))) ?? .null
      let agentID = FleetSnapshot.Event.agentID(
        type: try row.string("type"), subject: try row.optionalString("subject") ?? "", data: data)
      read.append((row, data, agentID))
    }
    let names = try await names(Set(read.compactMap(\.agentID)), target, on: connection)
    return try read.filter { target == .everyone || $0.agentID.map { names[$0] != nil } ?? false }.map { event in
      FleetSnapshot.Event(
        seq: Int64(try event.row.int("seq")), time: try event.row.timestamp("time"), type: try event.row.string("type"),
        subject: try event.row.optionalString("subject") ?? "", data: event.data, names: names)
    }
  }

  /// The logical ids of those of the agents that the target hits.
  private static func names(
    _ ids: Set<String>, _ target: TargetExpression, on connection: Connection
  ) async throws -> [String: String] {
    guard !ids.isEmpty else { return [:] }
    var sql: SQLText = "SELECT a.id, a.logical_agent_id FROM agents a WHERE a.id IN ("
    sql.append(list: ids.sorted().map { .text($0) })
    sql.append(sql: ") AND ")
    target.condition.append(to: &sql)
    var names: [String: String] = [:]
    for row in try await connection.queryText(sql) { names[try row.string("id")] = try row.string("logical_agent_id") }
    return names
  }
}
