import FleetProtocol
import MySQL
import ServiceRuntime

/// Takes clients, agents and pending commands over from the former system's database (`spotctl migrate import`), in batches and as often as one likes: what is here
/// already is left as it is.
///
/// Agents keep their ids and come as agents that poll, so that the programs that run out there go on as they are; each then moves to AMQP by itself. Nothing is
/// ever changed in the former database, and nothing here is overwritten.
public struct FleetImport: Sendable {
  /// What to take.
  public struct Selection: Sendable {
    /// One client's rows only: its id or its name there.
    public var client: String?
    /// One agent, by its logical id, with its client and its commands.
    public var logicalAgentID: String?
    /// Whether nothing is to be changed, only told.
    public var isDryRun = false

    /// Everything.
    public init() {}
  }

  static let batch = 500
  static let source = "import"

  let target: Pool
  let former: FormerSystem
  let selection: Selection
  var report = ImportReport()
  /// Clients there whose agents may come: they are here, with the same token.
  var clients: Set<String> = []
  /// Agents here that commands may be for, by id.
  var agents: Set<String> = []

  private init(_ target: Pool, _ former: FormerSystem, _ selection: Selection) {
    self.target = target
    self.former = former
    self.selection = selection
  }

  /// Imports into `target`'s database from `database`, as `source` reaches it. Throws an error that names what is missing there, and `MySQLError`.
  public static func run(into target: Pool, from source: Pool, database: String, _ selection: Selection) async throws -> ImportReport {
    var run = FleetImport(target, try await FormerSystem(source, database: database), selection)
    try await run.importAll()
    return run.report
  }

  private mutating func importAll() async throws {
    remark()
    try await forEachPage(of: former.clients, ClientImport.columns, clientCondition) { run, rows in try await run.importClients(rows) }
    try await forEachPage(of: former.agents, AgentImport.columns(former.agents), agentCondition) { run, rows in
      try await run.importAgents(rows)
    }
    if let pending = former.commands.pending {
      try await forEachPage(of: former.commands, CommandImport.columns, (pending, [])) { run, rows in try await run.importCommands(rows) }
    }
    try await tellOfSettledCommands()
  }

  private mutating func remark() {
    for (table, wanted) in [
      (former.clients, ["name", "email", "is_active"]), (former.agents, AgentImport.described),
      (former.commands, ["priority", "created_at", "target_mode", "target_pool_id", "terminate_wait_seconds", "instance_id"]),
    ] {
      let missing = wanted.filter { !table.columns.contains($0) }
      if !missing.isEmpty { report.remarks.append("\(table.name) there has no \(missing.joined(separator: ", ")): defaults are taken") }
    }
  }

  private var clientCondition: (sql: String, values: [Value])? {
    var conditions: [String] = []
    var values: [Value] = []
    if let client = selection.client {
      let byName = former.clients.columns.contains("name")
      conditions.append(byName ? "(`id` = ? OR `name` = ?)" : "`id` = ?")
      values += byName ? [.text(client), .text(client)] : [.text(client)]
    }
    if let agent = selection.logicalAgentID {
      conditions.append("`id` IN (SELECT `client_id` FROM \(former.qualified(former.agents)) WHERE `logical_agent_id` = ?)")
      values.append(.text(agent))
    }
    return conditions.isEmpty ? nil : (conditions.joined(separator: " AND "), values)
  }

  private var agentCondition: (sql: String, values: [Value])? {
    selection.logicalAgentID.map { ("`logical_agent_id` = ?", [.text($0)]) }
  }

  private mutating func forEachPage(
    of table: FormerSystem.Table, _ columns: [String], _ condition: (sql: String, values: [Value])?,
    _ body: (inout FleetImport, [FormerRow]) async throws -> Void
  ) async throws {
    var last: String?
    while true {
      try Task.checkCancellation()
      let rows = try await former.page(table, columns, where: condition, after: last, limit: Self.batch)
      if !rows.isEmpty { try await body(&self, rows) }
      guard rows.count == Self.batch, let id = rows.last?.id, id != last else { return }
      last = id
    }
  }

  /// The rows of ours that one of these values names, with one statement.
  func ours(_ select: StaticString, _ values: some Collection<String>, on connection: Connection) async throws -> [Row] {
    guard !values.isEmpty else { return [] }
    var sql = SQLText(capacity: 128 + values.count * 48)
    sql.append(sql: select)
    sql.append(sql: " IN (")
    sql.append(list: Set(values).sorted().map { .text($0) })
    sql.append(sql: ")")
    return try await connection.queryText(sql)
  }
}
