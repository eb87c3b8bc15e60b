import FleetProtocol
import MySQL
import Server
import ServiceRuntime

/// A client of our own and its agents, in the database and nowhere else.
struct BenchFleet: Sendable {
  /// An agent with a row, as if it had registered once.
  struct Member: Sendable {
    let address: AgentAddress
    let id: String
  }

  let pool: Pool
  let clientID: String
  let token: String
  let members: [Member]

  /// Brings the schema to this version, makes a client, and `count` agents in rows.
  static func create(_ pool: Pool, agents count: Int) async throws -> BenchFleet {
    _ = try await Migrator(pool).migrate(Schema.migrations)
    let clientID = randomClientID()
    let client = try await ClientStore(pool).create(id: clientID, name: "fleet-bench", email: nil)
    let fleet = BenchFleet(pool: pool, clientID: clientID, token: client.account.token, members: [])
    do {
      return try await fleet.adding(count)
    } catch {
      await fleet.remove()
      throw error
    }
  }

  /// The same with so many agents more. When it fails, `remove` takes away what there is of them.
  func adding(_ count: Int) async throws -> BenchFleet {
    let added = try (members.count..<members.count + count).map { index in
      Member(address: try AgentAddress(clientID: clientID, logicalAgentID: "agent-\(index)"), id: randomUUID())
    }
    try await insert(added)
    return BenchFleet(pool: pool, clientID: clientID, token: token, members: members + added)
  }

  /// So many of its agents, spread evenly over all.
  func sample(_ count: Int) -> BenchFleet {
    guard count < members.count else { return self }
    return BenchFleet(
      pool: pool, clientID: clientID, token: token, members: (0..<count).map { members[$0 * members.count / count] })
  }

  /// A name that no real client has.
  static func randomClientID() -> String { "fleet-bench-\(randomUUID().prefix(8))" }

  private func insert(_ members: [Member]) async throws {
    for start in stride(from: 0, to: members.count, by: 1000) {
      var sql: SQLText = "INSERT INTO agents (id, client_id, logical_agent_id, generation) VALUES "
      for (index, member) in members[start..<min(start + 1000, members.count)].enumerated() {
        sql.append(sql: index == 0 ? "(" : ", (")
        sql.append(list: [.text(member.id), .text(clientID), .text(member.address.logicalAgentID), 1])
        sql.append(sql: ")")
      }
      let statement = sql
      try await pool.withConnection { connection in _ = try await connection.executeText(statement) }
    }
  }

  /// Makes rows that have no heartbeat yet: a backlog reaches back further than the one before, and what is older than a row's heartbeat changes nothing
  /// and costs less.
  func forgetHeartbeats() async throws {
    try await pool.withConnection { connection in
      _ = try await connection.execute(
        "UPDATE agents SET last_heartbeat_at = NULL, status = DEFAULT WHERE client_id = ?", [.text(clientID)])
    }
  }

  /// What the time is where rows are written.
  func databaseTime() async throws -> Timestamp {
    let rows = try await pool.withConnection { connection in try await connection.query("SELECT NOW(3) AS now") }
    guard let now = try rows.first?.timestamp("now") else { throw BenchError("the database does not tell the time") }
    return now
  }

  /// Takes the client and everything of it out of the database; what cannot be taken away is said.
  func remove() async {
    do {
      try await pool.withConnection { connection in
        for table in [
          "commands WHERE agent_id IN (SELECT id FROM agents WHERE client_id = ?)",
          "agent_notices WHERE agent_key IN (SELECT agent_key FROM agents WHERE client_id = ?)", "agents WHERE client_id = ?",
          "system_events WHERE client_id = ?", "fleet_events WHERE client_id = ?",
          "reaction_runs WHERE reaction_id IN (SELECT id FROM reactions WHERE client_id = ?)", "reactions WHERE client_id = ?",
          "clients WHERE id = ?",
        ] {
          try await connection.execute("DELETE FROM \(table)", [.text(clientID)])
        }
      }
    } catch {
      say("the client \(clientID) could not be taken out of the database: \(error)")
    }
  }

  /// How many agents' rows do not have what `newest` says, and a sentence about one of them.
  func countWrongRows(newest: (Int) -> Timestamp) async throws -> (count: Int, example: String?) {
    let rows = try await pool.withConnection { connection in
      try await connection.query(
        "SELECT id, status, last_heartbeat_at FROM agents WHERE client_id = ?", [.text(clientID)])
    }
    var found: [String: (status: String, at: Timestamp?)] = [:]
    for row in rows {
      found[try row.string("id")] = (try row.string("status"), try row.optionalTimestamp("last_heartbeat_at"))
    }
    var wrong = 0
    var example: String?
    for (index, member) in members.enumerated() {
      let row = found[member.id]
      if let row, row.at == newest(index), row.status == AgentStatus.online.rawValue { continue }
      wrong += 1
      example =
        example ?? "agent \(member.address.logicalAgentID) has \(row?.at?.iso8601 ?? "nothing") and the status "
        + "'\(row?.status ?? "none")' instead of \(newest(index).iso8601) and 'online'"
    }
    return (wrong, example)
  }
}
