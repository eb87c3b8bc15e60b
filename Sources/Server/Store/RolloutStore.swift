import FleetProtocol
import MySQL
import ServiceRuntime

/// The tables `rollouts` and `rollout_targets`: writing, finding and listing. Preparing, stepping and the operator's orders are in files of their own.
///
/// Everything that changes a rollout or its targets does so in a transaction that locks the rollout's row first; so any number of servers and operators may
/// work on one at once. Locks are taken in one order everywhere: rollouts, then agents, then commands.
public struct RolloutStore: Sendable {
  let pool: Pool

  /// A store in the pool's database.
  public init(_ pool: Pool) { self.pool = pool }

  /// Writes a rollout, whose targets are then to be written down (`prepare`). Throws `MessageError` for what no agent would take.
  public func create(_ draft: RolloutDraft) async throws {
    try draft.validate()
    let start: (sql: String, value: Value) =
      switch draft.start {
      case .now: ("?", .null)
      case .after(let delay): ("NOW(3) + INTERVAL ? MICROSECOND", .int(delay.milliseconds * 1000))
      case .at(let moment): ("?", .timestamp(moment.storable))
      }
    let values: [Value] = [
      .text(draft.id), .text(draft.commandType), .text(String(decoding: try WireCoding.encodeJSON(draft.parameters), as: UTF8.self)),
      .text(draft.target), .text("\(draft.concurrency)"), .text("\(draft.maxErrors)"), Value(draft.canary.map { "\($0)" }),
      .int(Int64(draft.priority)), .int(Int64(draft.timeoutSeconds)), .int(Int64(draft.deliverWithinSeconds)),
      .int(Int64(draft.lifetimeSeconds)), Value(draft.createdBy), start.value,
    ]
    try await pool.withConnection { connection in
      _ = try await connection.execute(
        """
        INSERT INTO rollouts (id, command_type, parameters, target, concurrency, max_errors, canary, priority, timeout_seconds, \
        deliver_within_seconds, lifetime_seconds, created_by, prepared_at, start_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NOW(3), \(start.sql))
        """, values)
    }
  }

  /// The rollout with this id. Throws `StoreError` when its row cannot be read.
  public func find(id: String) async throws -> Rollout? {
    let rows = try await pool.withConnection { connection in
      try await connection.query("SELECT \(Rollout.columns) FROM rollouts WHERE id = ?", [.text(id)])
    }
    return try rows.map(Rollout.init).first { $0.id == id }
  }

  /// The rollouts, newest first; those of one state, if one is given.
  public func list(state: RolloutState? = nil, limit: Int = 1000) async throws -> Listing<Rollout> {
    let condition = state == nil ? "" : " WHERE state = ?"
    let values = (state.map { [Value.text($0.rawValue)] } ?? []) + [.int(Int64(limit))]
    let rows = try await pool.withConnection { connection in
      try await connection.query("SELECT \(Rollout.columns) FROM rollouts\(condition) ORDER BY created_at DESC, id LIMIT ?", values)
    }
    return try Listing(rows, of: "rollouts", Rollout.init)
  }

  /// Locks a rollout until the end of the transaction, and asks for the database's time.
  static func lock(_ id: String, on connection: Connection) async throws -> (rollout: Rollout, now: Timestamp)? {
    let rows = try await connection.query("SELECT \(Rollout.columns) FROM rollouts WHERE id = ? FOR UPDATE", [.text(id)])
    // By itself: that of the locking statement is from before it waited for the lock.
    let time = try await connection.query("SELECT NOW(3) AS now")
    guard let rollout = try rows.map(Rollout.init).first(where: { $0.id == id }), let now = try time.first?.timestamp("now") else {
      return nil
    }
    return (rollout, now)
  }

  /// Writes what may have changed of a locked rollout, but for its limits.
  static func save(_ rollout: Rollout, on connection: Connection) async throws {
    let states = RolloutTargetState.allCases
    let assignments = states.map { "\($0.rawValue) = ?" }.joined(separator: ", ")
    try await connection.execute(
      """
      UPDATE rollouts SET state = ?, reason = ?, started_at = ?, paused_at = ?, give_up_at = ?, finished_at = ?, retry_before = ?, \
      \(assignments) WHERE id = ?
      """,
      [
        .text(rollout.state.rawValue), Value(rollout.reason), Value(rollout.startedAt), Value(rollout.pausedAt), Value(rollout.giveUpAt),
        Value(rollout.finishedAt), Value(rollout.retryBefore),
      ] + states.map { .int(Int64(rollout.counts[$0])) } + [.text(rollout.id)])
  }
}
