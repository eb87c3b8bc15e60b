import FleetProtocol
import MySQL
import ServiceRuntime

/// The table `reactions`, and what they did. Carrying them out is `ReactionRunner`'s.
public struct ReactionStore: Sendable {
  private let pool: Pool

  /// A store in the pool's database.
  public init(_ pool: Pool) { self.pool = pool }

  /// A reaction and what it did in the last seven days.
  public struct Entry: Sendable, Equatable {
    /// The row.
    public let reaction: Reaction
    /// Commands that it wrote.
    public let commands: Int
    /// Commands that its limit held back.
    public let heldBack: Int
    /// When it last reacted to an event.
    public let lastRunAt: Timestamp?
    /// Why it could not be carried out, when the last time it could not.
    public let lastProblem: String?
  }

  /// What a reaction would make of an event.
  public struct Rehearsal: Sendable, Equatable {
    /// Whether the event is of its type and client.
    public let concerns: Bool
    /// Whether the event's agent is there and fulfils the condition.
    public let fulfils: Bool
    /// Whom it would hit, as far as the limit goes.
    public let targets: [ReactionTarget]
    /// Whom it would hit without the limit.
    public let total: Int
    /// The arguments that each of them would get.
    public let parameters: JSONValue
  }

  /// Writes a new reaction. Throws `ReactionProblem` for one that could not be carried out, and `MySQLError.isDuplicateKey` for a name that is taken.
  public func add(_ reaction: Reaction) async throws {
    _ = try ReactionPlan(reaction)
    do throws(MessageError) {
      try ConfigurationState.checkIsNot(reaction.commandType)
    } catch {
      throw ReactionProblem(part: error.field, problem: error.problem)
    }
    let values: [Value] = [
      .text(reaction.id), .text(reaction.name), .text(reaction.eventType), Value(reaction.clientID), Value(reaction.agentCondition),
      .text(reaction.target), .text(reaction.commandType), .text(reaction.parameters), .int(Int64(reaction.priority)),
      Value(reaction.deliverWithinSeconds), Value(reaction.timeoutSeconds), .int(Int64(reaction.limitPerMinute)), Value(reaction.isEnabled),
    ]
    try await pool.withConnection { connection in
      _ = try await connection.execute(
        """
        INSERT INTO reactions (id, name, event_type, client_id, agent_condition, target, command_type, parameters, priority, \
        deliver_within_seconds, timeout_seconds, limit_per_minute, is_enabled) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """, values)
    }
  }

  /// Every reaction, by name; rows that cannot be read are told apart.
  public func list() async throws -> Listing<Entry> {
    let rows = try await pool.withConnection { connection in
      try await connection.query("\(Self.entries) ORDER BY name")
    }
    return try Listing(rows, of: "reactions", Self.entry)
  }

  /// The reaction of this name.
  public func find(_ name: String) async throws -> Entry? {
    let rows = try await pool.withConnection { connection in
      try await connection.query("\(Self.entries) WHERE name = ?", [.text(name)])
    }
    return try rows.map(Self.entry).first { $0.reaction.name == name }
  }

  /// Switches a reaction on or off; `false` when there is none of this name.
  public func setEnabled(_ isEnabled: Bool, _ name: String) async throws -> Bool {
    try await pool.withConnection { connection in
      try await connection.execute("UPDATE reactions SET is_enabled = ? WHERE name = ?", [Value(isEnabled), .text(name)]).matchedRows > 0
    }
  }

  /// Removes a reaction; `false` when there is none of this name. What it has written stays.
  public func remove(_ name: String) async throws -> Bool {
    try await pool.withConnection { connection in
      try await connection.execute("DELETE FROM reactions WHERE name = ?", [.text(name)]).matchedRows > 0
    }
  }

  /// What a reaction, switched on or not, would make of an event now, by the agents as they are now. Changes nothing.
  public func rehearse(_ reaction: Reaction, on event: StoredEvent) async throws -> Rehearsal {
    let plan = try ReactionPlan(reaction)
    guard let data = event.fields else {
      throw StoreError(table: "fleet_events", id: event.id, problem: "column fleet_events.data holds no usable JSON")
    }
    let values = PlaceholderValues(eventID: event.id, type: plan.type, data: data)
    let parameters = try plan.parameters(values)
    let subject = event.subject ?? ""
    return try await pool.withConnection { connection in
      let concerns = plan.concerns(event.type, clientID: event.clientID)
      let rows = try await connection.query("SELECT \(AgentSubject.columns) FROM agents WHERE id = ?", [.text(subject)])
      let agents = try rows.map { AgentEvent(plan.type, try AgentSubject($0), [:], id: event.id) }
      let fulfils = agents.isEmpty ? false : try await !ReactionRunner.fulfilling(plan.condition, agents, on: connection).isEmpty
      guard concerns, fulfils else {
        return Rehearsal(concerns: concerns, fulfils: fulfils, targets: [], total: 0, parameters: parameters)
      }
      let left = try await ReactionRunner.remaining(reaction, on: connection)
      let found = try await ReactionRunner.targets(plan, subject, event.clientID, values, upTo: left, on: connection)
      return Rehearsal(concerns: true, fulfils: true, targets: found.agents, total: found.total, parameters: parameters)
    }
  }

  /// Removes records of what reactions did that are older than `days`, at most `limit` of them; returns how many. Call it again while it returns `limit`.
  func prune(olderThanDays days: Int, limit: Int = 1000) async throws -> Int {
    try await pool.withConnection { connection in
      try await connection.execute(
        "DELETE FROM reaction_runs WHERE time < NOW(3) - INTERVAL ? DAY ORDER BY time LIMIT ?", [.int(Int64(days)), .int(Int64(limit))]
      ).matchedRows
    }
  }

  private static let entries = """
    SELECT \(Reaction.columns), \
    (SELECT COALESCE(SUM(u.commands), 0) FROM reaction_runs u WHERE u.reaction_id = reactions.id) AS written, \
    (SELECT COALESCE(SUM(u.held_back), 0) FROM reaction_runs u WHERE u.reaction_id = reactions.id) AS held_back, \
    (SELECT MAX(u.time) FROM reaction_runs u WHERE u.reaction_id = reactions.id) AS last_run_at, \
    (SELECT u.problem FROM reaction_runs u WHERE u.reaction_id = reactions.id ORDER BY u.seq DESC LIMIT 1) AS last_problem FROM reactions
    """

  private static func entry(_ row: Row) throws -> Entry {
    Entry(
      reaction: try Reaction(row), commands: try row.int("written"), heldBack: try row.int("held_back"),
      lastRunAt: try row.optionalTimestamp("last_run_at"), lastProblem: try row.optionalString("last_problem"))
  }
}
