import FleetProtocol
import MySQL
import ServiceRuntime

/// The table `agents`: finding and listing. Registrations, heartbeats and presence are in files of their own.
public struct AgentStore: Sendable {
  let pool: Pool
  let heartbeatTimeout: Duration
  /// Who is told of what was committed.
  var announcer = Announcer.silent

  /// A store in the pool's database. An agent that gave a sign of life within `heartbeatTimeout` (`AGENT_HEARTBEAT_TIMEOUT`) is alive.
  public init(_ pool: Pool, heartbeatTimeout: Duration = .seconds(120)) {
    self.pool = pool
    self.heartbeatTimeout = heartbeatTimeout
  }

  /// What `list` is to show; `nil` means any.
  public struct Filter: Sendable {
    /// One client's agents.
    public var clientID: String?
    /// Agents with one status.
    public var status: AgentStatus?
    /// Agents of one logical id, whichever client's.
    public var logicalAgentID: String?
    /// Rows at most.
    public var limit = 10_000

    /// Everything.
    public init(clientID: String? = nil, status: AgentStatus? = nil, logicalAgentID: String? = nil) {
      self.clientID = clientID
      self.status = status
      self.logicalAgentID = logicalAgentID
    }
  }

  /// What the inbox needs to know of an agent that a message came from.
  public struct Entry: Sendable, Equatable {
    /// `agents.agent_key`.
    public let key: Int64
    /// `agents.id`.
    public let id: String
  }

  /// The agent with this id. Throws `StoreError` when its row cannot be read.
  public func find(id: String) async throws -> Agent? {
    let rows = try await pool.withConnection { connection in
      try await connection.query("SELECT \(Agent.columns) FROM agents WHERE id = ?", [.text(id)])
    }
    return try rows.map(Agent.init).first { $0.id == id }
  }

  /// The agent at this address. Throws `StoreError` when its row cannot be read.
  public func find(_ address: AgentAddress) async throws -> Agent? {
    let rows = try await pool.withConnection { connection in
      try await connection.query(
        "SELECT \(Agent.columns) FROM agents WHERE client_id = ? AND logical_agent_id = ?",
        [.text(address.clientID), .text(address.logicalAgentID)])
    }
    return try rows.map(Agent.init).first { $0.address == address }
  }

  /// The agents that fit, by client and logical id; rows that cannot be read are told apart.
  public func list(_ filter: Filter = Filter()) async throws -> Listing<Agent> {
    var conditions: [String] = []
    var values: [Value] = []
    if let clientID = filter.clientID {
      conditions.append("client_id = ?")
      values.append(.text(clientID))
    }
    if let status = filter.status {
      conditions.append("status = ?")
      values.append(.text(status.rawValue))
    }
    if let logicalAgentID = filter.logicalAgentID {
      conditions.append("logical_agent_id = ?")
      values.append(.text(logicalAgentID))
    }
    let condition = conditions.isEmpty ? "" : " WHERE \(conditions.joined(separator: " AND "))"
    let sql = "SELECT \(Agent.columns) FROM agents\(condition) ORDER BY client_id, logical_agent_id LIMIT ?"
    let arguments = values + [.int(Int64(filter.limit))]
    let rows = try await pool.withConnection { connection in try await connection.query(sql, arguments) }
    return try Listing(rows, of: "agents", Agent.init)
  }

  /// Keys and ids for the addresses that are known, with one statement: for a batch of heartbeats.
  public func directory(_ addresses: some Collection<AgentAddress>) async throws -> [AgentAddress: Entry] {
    guard !addresses.isEmpty else { return [:] }
    var sql = SQLText(capacity: 128 + addresses.count * 48)
    sql.append(sql: "SELECT agent_key, id, client_id, logical_agent_id FROM agents WHERE ")
    // By client, because both servers turn this into ranges of the index, and row constructors only one of them.
    for (index, client) in Dictionary(grouping: addresses, by: \.clientID).enumerated() {
      sql.append(sql: index == 0 ? "(client_id = " : " OR (client_id = ")
      sql.append(.text(client.key))
      sql.append(sql: " AND logical_agent_id IN (")
      sql.append(list: Set(client.value).map { .text($0.logicalAgentID) })
      sql.append(sql: "))")
    }
    let statement = sql
    let rows = try await pool.withConnection { connection in try await connection.queryText(statement) }
    let wanted = Set(addresses)
    var directory: [AgentAddress: Entry] = [:]
    for row in rows {
      let id = try row.string("id")
      // The collation pads: a row may differ from what was asked for by spaces at its end, and then make no address. It is nobody's here.
      guard let address = try? Agent.address(row, id: id), wanted.contains(address) else { continue }
      directory[address] = Entry(key: Int64(try row.int("agent_key")), id: id)
    }
    return directory
  }

  /// Those of the keys whose agents still exist.
  public func existing(_ keys: some Collection<Int64>) async throws -> Set<Int64> {
    guard !keys.isEmpty else { return [] }
    var sql: SQLText = "SELECT agent_key FROM agents WHERE agent_key IN ("
    sql.append(list: keys.sorted().map { .int($0) })
    sql.append(sql: ")")
    let statement = sql
    let rows = try await pool.withConnection { connection in try await connection.queryText(statement) }
    return Set(try rows.map { Int64(try $0.int("agent_key")) })
  }
}
