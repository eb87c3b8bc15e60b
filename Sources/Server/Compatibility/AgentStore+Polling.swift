import FleetProtocol
import MySQL

/// What a call of a v4 agent needs to know of the agent that it names.
struct PollingAgent: Sendable {
  let key: Int64
  let id: String
  let address: AgentAddress
  let instanceID: String?
  let generation: Int
  /// Whether it polls now; one that has moved to AMQP does not, and whoever still asks in its name is an old process.
  let polls: Bool

  static let columns: StaticString = "agent_key, id, client_id, logical_agent_id, instance_id, generation, transport"

  init(_ row: Row) throws {
    key = Int64(try row.int("agent_key"))
    id = try row.string("id")
    address = try Agent.address(row, id: id)
    instanceID = try row.optionalString("instance_id")
    generation = try row.int("generation")
    polls = try row.string("transport") == AgentTransport.http.rawValue
  }
}

extension AgentStore {
  /// The agents with these ids, those that exist, with one statement.
  func polling(ids: some Collection<String>) async throws -> [String: PollingAgent] {
    let wanted = Set(ids)
    guard !wanted.isEmpty else { return [:] }
    var sql: SQLText = "SELECT "
    sql.append(sql: PollingAgent.columns)
    sql.append(sql: " FROM agents WHERE id IN (")
    sql.append(list: wanted.map { .text($0) })
    sql.append(sql: ")")
    let statement = sql
    let rows = try await pool.withConnection { connection in try await connection.queryText(statement) }
    var agents: [String: PollingAgent] = [:]
    for row in rows {
      // The collation pads, and a row whose names make no address is nobody's.
      guard let agent = try? PollingAgent(row), wanted.contains(agent.id) else { continue }
      agents[agent.id] = agent
    }
    return agents
  }

  /// Notes that an agent that polls was told its configuration of this version.
  func noteConfigurationTold(_ version: Int, id: String) async throws {
    try await pool.withConnection { connection in
      _ = try await connection.execute(
        "UPDATE agents SET applied_config_version = ? WHERE id = ? AND transport = 'http' AND config_version = ?",
        [.int(Int64(version)), .text(id), .int(Int64(version))])
    }
  }
}
