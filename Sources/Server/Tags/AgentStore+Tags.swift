import FleetProtocol
import MySQL

// A row of `agent_tags` has what the agent says and what the operator says. Each side changes its own column only, and a row goes when neither says anything any
// more; every statement looks at that itself, so registrations and operators need not wait for each other.
extension AgentStore {
  /// The tags of agents, by `agents.agent_key`, in the order of their names. Agents without tags are not in it.
  public func tags(of keys: [Int64]) async throws -> [Int64: [AgentTag]] {
    guard !keys.isEmpty else { return [:] }
    var sql: SQLText = "SELECT agent_key, name, agent_value, operator_value FROM agent_tags WHERE agent_key IN ("
    sql.append(list: keys.map { .int($0) })
    sql.append(sql: ") AND value IS NOT NULL ORDER BY agent_key, name")
    let statement = sql
    let rows = try await pool.withConnection { connection in try await connection.queryText(statement) }
    var tags: [Int64: [AgentTag]] = [:]
    for row in rows { tags[Int64(try row.int("agent_key")), default: []].append(try AgentTag(row)) }
    return tags
  }

  /// Changes the operator's tags of these agents in one transaction; a page of them, some hundred, is well. Returns the agents of which something changed.
  ///
  /// Throws `ChangeError` when an agent would have more than `MessageLimits.tags` of them; nothing is changed then.
  public func tag(_ changes: TagChanges, agents keys: [Int64]) async throws -> Set<Int64> {
    guard !keys.isEmpty, !changes.names.isEmpty else { return [] }
    return try await pool.transaction { connection in
      let present = try await Self.operatorValues(changes.names, keys, on: connection)
      var set: [(key: Int64, name: String, value: String)] = []
      var unset: Set<Int64> = []
      // In the order of the primary key, so that two operators at once lock rows in the same order.
      for key in keys.sorted() {
        for (name, value) in changes.values.sorted(by: { $0.key < $1.key }) where present[key]?[name] != value {
          set.append((key, name, value))
        }
        if changes.removed.contains(where: { present[key]?[$0] != nil }) { unset.insert(key) }
      }
      if !set.isEmpty { try await Self.setOperatorValues(set, on: connection) }
      if !unset.isEmpty { try await Self.removeOperatorValues(changes.removed, unset, on: connection) }
      let changed = unset.union(set.map(\.key))
      if !set.isEmpty { try await Self.checkCount(changed, on: connection) }
      return changed
    }
  }

  private static func operatorValues(
    _ names: [String], _ keys: [Int64], on connection: Connection
  ) async throws -> [Int64: [String: String]] {
    var sql: SQLText = "SELECT agent_key, name, operator_value FROM agent_tags WHERE agent_key IN ("
    sql.append(list: keys.map { .int($0) })
    sql.append(sql: ") AND name IN (")
    sql.append(list: names.map { .text($0) })
    sql.append(sql: ") AND operator_value IS NOT NULL ORDER BY agent_key, name FOR UPDATE")
    var values: [Int64: [String: String]] = [:]
    for row in try await connection.queryText(sql) {
      values[Int64(try row.int("agent_key")), default: [:]][try row.string("name")] = try row.string("operator_value")
    }
    return values
  }

  private static func setOperatorValues(_ values: [(key: Int64, name: String, value: String)], on connection: Connection) async throws {
    for start in stride(from: 0, to: values.count, by: rowsInStatement) {
      var sql: SQLText = "INSERT INTO agent_tags (agent_key, name, operator_value) VALUES "
      for (index, value) in values[start..<min(start + rowsInStatement, values.count)].enumerated() {
        sql.append(sql: index == 0 ? "(" : ", (")
        sql.append(list: [.int(value.key), .text(value.name), .text(value.value)])
        sql.append(sql: ")")
      }
      sql.append(sql: " ON DUPLICATE KEY UPDATE operator_value = VALUES(operator_value)")
      try await connection.executeText(sql)
    }
  }

  private static func removeOperatorValues(_ names: Set<String>, _ keys: Set<Int64>, on connection: Connection) async throws {
    func append(_ sql: inout SQLText) {
      sql.append(list: keys.sorted().map { .int($0) })
      sql.append(sql: ") AND name IN (")
      sql.append(list: names.sorted().map { .text($0) })
      sql.append(sql: ")")
    }
    var clearing: SQLText = "UPDATE agent_tags SET operator_value = NULL WHERE agent_key IN ("
    append(&clearing)
    try await connection.executeText(clearing)
    var deleting: SQLText = "DELETE FROM agent_tags WHERE operator_value IS NULL AND agent_value IS NULL AND agent_key IN ("
    append(&deleting)
    try await connection.executeText(deleting)
  }

  private static func checkCount(_ keys: Set<Int64>, on connection: Connection) async throws {
    var sql: SQLText = "SELECT agent_key, COUNT(*) AS number FROM agent_tags WHERE operator_value IS NOT NULL AND agent_key IN ("
    sql.append(list: keys.sorted().map { .int($0) })
    sql.append(sql: ") GROUP BY agent_key HAVING COUNT(*) > ")
    sql.append(.int(Int64(MessageLimits.tags)))
    sql.append(sql: " LIMIT 1")
    guard let row = try await connection.queryText(sql).first else { return }
    throw ChangeError(
      "an agent would have \(try row.int("number")) tags of the operator; \(MessageLimits.tags) are the most, remove some with name-")
  }

  private static let rowsInStatement = 1000

  /// Stores what an agent says of itself at its registration, in the transaction of that: what it no longer says is gone.
  static func storeAgentTags(_ tags: [String: String], agentKey: Int64, on connection: Connection) async throws {
    let rows = try await connection.query(
      "SELECT name, agent_value FROM agent_tags WHERE agent_key = ? AND agent_value IS NOT NULL", [.int(agentKey)])
    var present: [String: String] = [:]
    for row in rows { present[try row.string("name")] = try row.string("agent_value") }
    let changed = tags.filter { present[$0.key] != $0.value }.sorted { $0.key < $1.key }
    let gone = present.keys.filter { tags[$0] == nil }.sorted()
    if !changed.isEmpty {
      var sql: SQLText = "INSERT INTO agent_tags (agent_key, name, agent_value) VALUES "
      for (index, tag) in changed.enumerated() {
        sql.append(sql: index == 0 ? "(" : ", (")
        sql.append(list: [.int(agentKey), .text(tag.key), .text(tag.value)])
        sql.append(sql: ")")
      }
      sql.append(sql: " ON DUPLICATE KEY UPDATE agent_value = VALUES(agent_value)")
      try await connection.executeText(sql)
    }
    if !gone.isEmpty {
      var clearing: SQLText = "UPDATE agent_tags SET agent_value = NULL WHERE agent_key = "
      clearing.append(.int(agentKey))
      clearing.append(sql: " AND name IN (")
      clearing.append(list: gone.map { .text($0) })
      clearing.append(sql: ")")
      try await connection.executeText(clearing)
      try await connection.execute(
        "DELETE FROM agent_tags WHERE agent_key = ? AND operator_value IS NULL AND agent_value IS NULL", [.int(agentKey)])
    }
  }

  /// Removes the tags of at most `limit` agents whose row was deleted by hand; returns of how many. No new agent ever gets an old one's key.
  public func pruneTags(limit: Int = 1000) async throws -> Int {
    try await pool.withConnection { connection in
      let rows = try await connection.query(
        """
        SELECT DISTINCT t.agent_key FROM agent_tags t LEFT JOIN agents a ON a.agent_key = t.agent_key WHERE a.agent_key IS NULL \
        ORDER BY t.agent_key LIMIT ?
        """, [.int(Int64(limit))])
      guard !rows.isEmpty else { return 0 }
      var sql: SQLText = "DELETE FROM agent_tags WHERE agent_key IN ("
      sql.append(list: try rows.map { .int(Int64(try $0.int("agent_key"))) })
      sql.append(sql: ")")
      try await connection.executeText(sql)
      return rows.count
    }
  }
}
