import FleetProtocol
import MySQL

/// An agent that a target hits: what whoever writes something for it needs.
public struct TargetedAgent: Sendable, Equatable {
  /// `agents.agent_key`, by which pages go on.
  public let key: Int64
  /// `agents.id`.
  public let id: String
  /// `agents.client_id`.
  public let clientID: String
  /// `agents.logical_agent_id`.
  public let logicalAgentID: String
  /// `agents.status` as the row has it, also when it is none of the known ones.
  public let status: String
  /// Its queue; `nil` for an agent that has none.
  public let queue: String?

  static let columns = "a.agent_key, a.id, a.client_id, a.logical_agent_id, a.status, a.queue"

  init(_ row: Row) throws {
    key = Int64(try row.int("agent_key"))
    id = try row.string("id")
    clientID = try row.string("client_id")
    logicalAgentID = try row.string("logical_agent_id")
    status = try row.string("status")
    queue = try row.optionalString("queue")
  }
}

/// A page of a list of agents, by client and logical id.
public struct AgentPage: Sendable {
  /// Where a page ends.
  public struct Cursor: Sendable, Equatable {
    let clientID: String
    let logicalAgentID: String
  }

  /// The agents, and what is wrong with rows that cannot be read.
  public let listing: Listing<Agent>
  /// Where the next page begins; `nil` when there is none.
  public let next: Cursor?
}

extension AgentStore {
  /// The agents that a target hits with all that is known of them, a page at a time, by client and logical id.
  public func page(_ target: TargetExpression, after cursor: AgentPage.Cursor? = nil, limit: Int) async throws -> AgentPage {
    let condition = target.condition
    var sql = "SELECT \(Agent.columns) FROM agents a WHERE (\(condition.text))"
    var values = condition.values
    if let cursor {
      sql += " AND (a.client_id > ? OR (a.client_id = ? AND a.logical_agent_id > ?))"
      values += [.text(cursor.clientID), .text(cursor.clientID), .text(cursor.logicalAgentID)]
    }
    let statement = sql + " ORDER BY a.client_id, a.logical_agent_id LIMIT ?"
    let arguments = values + [.int(Int64(limit))]
    let rows = try await pool.withConnection { connection in try await connection.query(statement, arguments) }
    var next: AgentPage.Cursor?
    if rows.count == limit, let last = rows.last {
      next = AgentPage.Cursor(clientID: try last.string("client_id"), logicalAgentID: try last.string("logical_agent_id"))
    }
    return AgentPage(listing: try Listing(rows, of: "agents", Agent.init), next: next)
  }

  /// The agents that a target hits, a page at a time: those with a greater key than `agentKey` (0 to begin with), in the order of the keys.
  ///
  /// Fewer than `limit` means that there are no more. Agents that come or go while pages are read are hit or not; nobody is hit twice.
  public func select(_ target: TargetExpression, after agentKey: Int64, limit: Int) async throws -> [TargetedAgent] {
    try await pool.withConnection { connection in try await Self.select(target, after: agentKey, limit: limit, on: connection) }
  }

  /// The same inside the caller's transaction.
  static func select(
    _ target: TargetExpression, after agentKey: Int64, limit: Int, on connection: Connection
  ) async throws -> [TargetedAgent] {
    let condition = target.condition
    let rows = try await connection.query(
      "SELECT \(TargetedAgent.columns) FROM agents a WHERE a.agent_key > ? AND (\(condition.text)) ORDER BY a.agent_key LIMIT ?",
      [.int(agentKey)] + condition.values + [.int(Int64(limit))])
    return try rows.map(TargetedAgent.init)
  }

  /// How many agents a target hits.
  public func count(_ target: TargetExpression) async throws -> Int {
    let condition = target.condition
    let sql = "SELECT COUNT(*) AS number FROM agents a WHERE \(condition.text)"
    let rows = try await pool.withConnection { connection in try await connection.query(sql, condition.values) }
    return try rows.first?.int("number") ?? 0
  }
}
