import MySQL
import ServiceRuntime

// Removing rollouts that ended long ago, with their targets and commands. The rollout's row goes first, at once, so that nobody sees a rollout of which half is
// missing, or orders one to go on; what hangs on it is found afterwards, by any server, because it names a rollout that there is not.
extension RolloutStore {
  /// Where rollouts are named.
  enum Mention: Sendable {
    case rolloutTargets
    case commands

    fileprivate var table: String {
      switch self {
      case .rolloutTargets: "rollout_targets FORCE INDEX (PRIMARY)"
      case .commands: "commands FORCE INDEX (commands_age)"
      }
    }
  }

  /// Removes rollouts that ended more than `days` ago, at most `limit` of them; returns how many. Call it again until it returns 0. Their targets
  /// (`pruneTargets`) and commands (`CommandStore.prune`) are to go after it.
  func prune(olderThanDays days: Int, limit: Int) async throws -> Int {
    let candidates = try await pool.withConnection { connection in
      try await connection.query(
        "SELECT id FROM rollouts WHERE finished_at < NOW(3) - INTERVAL ? DAY AND state IN ('completed', 'cancelled') ORDER BY finished_at LIMIT ?",
        [.int(Int64(days)), .int(Int64(limit))]
      ).map { try $0.string("id") }
    }
    guard !candidates.isEmpty else { return 0 }
    let ids = candidates.sorted()
    return try await pool.transaction { connection in
      // By the primary key and again with the condition: somebody may have it retried since.
      var locking: SQLText = "SELECT id FROM rollouts FORCE INDEX (PRIMARY) WHERE id IN ("
      locking.append(list: ids.map { .text($0) })
      locking.append(sql: ") AND finished_at < NOW(3) - INTERVAL ")
      locking.append(.int(Int64(days)))
      locking.append(sql: " DAY AND state IN ('completed', 'cancelled') ORDER BY id FOR UPDATE SKIP LOCKED")
      let locked = try await connection.queryText(locking).map { Value.text(try $0.string("id")) }
      guard !locked.isEmpty else { return 0 }
      var removing: SQLText = "DELETE FROM rollouts WHERE id IN ("
      removing.append(list: locked)
      removing.append(sql: ")")
      return try await connection.executeText(removing).matchedRows
    }
  }

  /// The next rollout, by id, that a row of the table names, and whether it is gone. One look into an index, however many rows name it.
  func mention(in table: Mention, after id: String) async throws -> (rolloutID: String, isRemoved: Bool)? {
    let rows = try await pool.withConnection { connection in
      try await connection.query(
        """
        SELECT named.rollout_id, r.id IS NULL AS is_removed FROM \
        (SELECT rollout_id FROM \(table.table) WHERE rollout_id > ? ORDER BY rollout_id LIMIT 1) named LEFT JOIN rollouts r ON r.id = named.rollout_id
        """, [.text(id)])
    }
    return try rows.first.map { (try $0.string("rollout_id"), try $0.bool("is_removed")) }
  }

  /// Removes targets of a rollout whose row is gone, at most `limit` of them; returns how many. Call it again until it returns 0.
  func pruneTargets(ofRemoved id: String, limit: Int) async throws -> Int {
    try await pool.withConnection { connection in
      try await connection.execute(
        "DELETE FROM rollout_targets WHERE rollout_id = ? ORDER BY agent_key LIMIT ?", [.text(id), .int(Int64(limit))]
      ).matchedRows
    }
  }
}
