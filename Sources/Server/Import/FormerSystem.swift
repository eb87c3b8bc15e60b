import FleetProtocol
import MySQL
import ServiceRuntime

/// The former system's tables `clients`, `agents` and `commands`, read only. Which columns they have differs from one installation to the next: what is there is
/// taken, what is needed and missing is named.
struct FormerSystem: Sendable {
  /// Something that the import cannot do without is not there.
  struct Missing: Error, CustomStringConvertible {
    let description: String
  }

  /// A table as it is there.
  struct Table: Sendable {
    let name: String
    let columns: Set<String>

    /// The condition that a command waits, in the words of whichever columns there are.
    var pending: String? {
      if columns.contains("status") { return "`status` = 'pending'" }
      if columns.contains("executed_at") { return "`executed_at` IS NULL" }
      if columns.contains("executed") { return "`executed` = 0" }
      return nil
    }
  }

  /// What must be there.
  static let required: [(table: String, columns: [String])] = [
    ("clients", ["id", "client_token"]), ("agents", ["id", "client_id", "logical_agent_id"]),
    ("commands", ["id", "agent_id", "command_type"]),
  ]

  let pool: Pool
  let database: String
  let clients: Table
  let agents: Table
  let commands: Table

  /// Looks at the tables of `database`. Throws `Missing`, naming all that is missing at once.
  init(_ pool: Pool, database: String) async throws {
    self.pool = pool
    self.database = database
    let rows = try await pool.withConnection { connection in
      try await connection.query(
        """
        SELECT table_name AS t, column_name AS c FROM information_schema.columns WHERE table_schema = ? \
        AND table_name IN ('clients', 'agents', 'commands')
        """, [.text(database)])
    }
    var columns: [String: Set<String>] = [:]
    for row in rows { columns[try row.string("t").lowercased(), default: []].insert(try row.string("c").lowercased()) }
    var missing: [String] = []
    for (table, names) in Self.required {
      guard let there = columns[table] else {
        missing.append("the table \(table)")
        continue
      }
      missing += names.filter { !there.contains($0) }.map { "the column \(table).\($0)" }
    }
    clients = Table(name: "clients", columns: columns["clients"] ?? [])
    agents = Table(name: "agents", columns: columns["agents"] ?? [])
    commands = Table(name: "commands", columns: columns["commands"] ?? [])
    if !commands.columns.isEmpty, commands.pending == nil {
      missing.append("one of the columns commands.status, commands.executed_at and commands.executed, which tell what is pending")
    }
    guard missing.isEmpty else {
      throw Missing(
        description: "the database '\(printable(database))' is not one of the former system, or this login may not read it: it lacks "
          + missing.joined(separator: ", "))
    }
  }

  /// A page of a table in the order of its ids: the wanted columns that are there, each as text.
  func page(
    _ table: Table, _ wanted: [String], where condition: (sql: String, values: [Value])? = nil, after id: String?, limit: Int
  ) async throws -> [FormerRow] {
    let names = wanted.filter { table.columns.contains($0) }
    // As text, whatever its type is there; a BIT only becomes a number when it is counted with.
    let list = names.map { name in "CAST(\(name == "is_active" ? "`\(name)` + 0" : "`\(name)`") AS CHAR) AS `\(name)`" }
    var conditions: [String] = []
    var values: [Value] = []
    if let condition {
      conditions.append("(\(condition.sql))")
      values += condition.values
    }
    if let id {
      conditions.append("`id` > ?")
      values.append(.text(id))
    }
    let filter = conditions.isEmpty ? "" : " WHERE \(conditions.joined(separator: " AND "))"
    // By the column, not by its text of the same name.
    let name = qualified(table)
    let sql = "SELECT \(list.joined(separator: ", ")) FROM \(name)\(filter) ORDER BY \(name).`id` LIMIT ?"
    let arguments = values + [.int(Int64(limit))]
    let rows = try await pool.withConnection { connection in try await connection.query(sql, arguments) }
    return try rows.map { row in
      FormerRow(try Dictionary(uniqueKeysWithValues: names.map { ($0, try row.optionalString($0)) }))
    }
  }

  /// Which of these commands are not pending any more there.
  func settled(_ ids: [String]) async throws -> Set<String> {
    guard !ids.isEmpty, let pending = commands.pending else { return [] }
    let marks = [String](repeating: "?", count: ids.count).joined(separator: ", ")
    let sql = "SELECT CAST(`id` AS CHAR) AS `id` FROM \(qualified(commands)) WHERE `id` IN (\(marks)) AND NOT (\(pending))"
    let rows = try await pool.withConnection { connection in try await connection.query(sql, ids.map { .text($0) }) }
    return Set(try rows.map { try $0.string("id") })
  }

  /// A table's name with its database's, between backquotes.
  func qualified(_ table: Table) -> String {
    "`\(database.split(separator: "`", omittingEmptySubsequences: false).joined(separator: "``"))`.`\(table.name)`"
  }
}

/// A row of the former system: texts by the names of the columns that are there.
struct FormerRow: Sendable {
  private let values: [String: String?]

  init(_ values: [String: String?]) { self.values = values }

  /// The value; `nil` for NULL and for a column that is not there.
  subscript(column: String) -> String? { values[column] ?? nil }

  var id: String { self["id"] ?? "" }

  /// A moment, which these tables keep in UTC.
  func time(_ column: String) -> Timestamp? { self[column].flatMap { Timestamp(text: $0) } }
}
