import FleetProtocol
import MySQL
import ServiceRuntime

/// The table `commands`: writing, finding and listing. Every change of a status is in the files beside this one, and goes through
/// `CommandLifecycle`.
public struct CommandStore: Sendable {
  let pool: Pool

  /// A store in the pool's database.
  public init(_ pool: Pool) { self.pool = pool }

  /// What `list` is to show; `nil` means any.
  public struct Filter: Sendable {
    /// One agent's commands.
    public var agentID: String?
    /// The commands of one client's agents.
    public var clientID: String?
    /// Commands that stand so.
    public var status: CommandStatus?
    /// One rollout's commands.
    public var rolloutID: String?
    /// Commands that were written within this time.
    public var createdWithin: Duration?
    /// Rows at most.
    public var limit = 1000

    /// Everything.
    public init(agentID: String? = nil, status: CommandStatus? = nil) {
      self.agentID = agentID
      self.status = status
    }
  }

  /// Writes commands, all or none; after this has returned they are stored. Throws `MessageError` for what no agent would take.
  public func insert(_ drafts: [CommandDraft]) async throws {
    try await pool.transaction { connection in try await Self.insert(drafts, on: connection) }
  }

  /// Writes one command and returns its id.
  public func insert(_ draft: CommandDraft) async throws -> String {
    try await insert([draft])
    return draft.id
  }

  /// The command with this id. Throws `StoreError` when its row cannot be read.
  public func find(id: String) async throws -> StoredCommand? {
    let rows = try await pool.withConnection { connection in
      try await connection.query("SELECT \(StoredCommand.columns) FROM commands WHERE id = ?", [.text(id)])
    }
    return try rows.map(StoredCommand.init).first { $0.id == id }
  }

  /// What a command's executable wrote, as much of it as is kept: whole texts, which no list has. `nil` when there is no such command.
  public func outputTexts(id: String) async throws -> (standardOutput: String?, standardError: String?)? {
    let rows = try await pool.withConnection { connection in
      try await connection.query("SELECT id, stdout, stderr FROM commands WHERE id = ?", [.text(id)])
    }
    guard let row = try rows.first(where: { try $0.string("id") == id }) else { return nil }
    return (try row.optionalString("stdout"), try row.optionalString("stderr"))
  }

  /// The commands that fit, newest first; rows that cannot be read are told apart.
  public func list(_ filter: Filter = Filter()) async throws -> Listing<StoredCommand> {
    var conditions: [String] = []
    var values: [Value] = []
    if let agentID = filter.agentID {
      conditions.append("agent_id = ?")
      values.append(.text(agentID))
    }
    if let clientID = filter.clientID {
      conditions.append("agent_id IN (SELECT a.id FROM agents a WHERE a.client_id = ?)")
      values.append(.text(clientID))
    }
    if let status = filter.status {
      conditions.append("status = ?")
      values.append(.text(status.rawValue))
    }
    if let rolloutID = filter.rolloutID {
      conditions.append("rollout_id = ?")
      values.append(.text(rolloutID))
    }
    if let time = filter.createdWithin {
      conditions.append("created_at >= NOW(3) - INTERVAL ? MICROSECOND")
      values.append(.int(time.milliseconds * 1000))
    }
    let condition = conditions.isEmpty ? "" : " WHERE \(conditions.joined(separator: " AND "))"
    let sql = "SELECT \(StoredCommand.columns) FROM commands\(condition) ORDER BY seq DESC LIMIT ?"
    let arguments = values + [.int(Int64(filter.limit))]
    let rows = try await pool.withConnection { connection in try await connection.query(sql, arguments) }
    return try Listing(rows, of: "commands", StoredCommand.init)
  }
}
