import MySQL
import ServiceRuntime

extension RolloutStore {
  /// How far a rollout has come; `nil` when there is none with this id. Reads every target that waits: for people, not for a tight loop.
  public func progress(_ id: String) async throws -> RolloutProgress? {
    guard let rollout = try await find(id: id) else { return nil }
    return try await pool.withConnection { connection in
      let away = try await connection.query(
        """
        SELECT COUNT(*) AS n, COUNT(IF(a.status = 'offline', 1, NULL)) AS offline, COUNT(IF(a.status = 'disabled', 1, NULL)) AS disabled \
        FROM rollout_targets t LEFT JOIN agents a ON a.agent_key = t.agent_key WHERE t.rollout_id = ? \
        AND t.state = 'waiting' AND (a.agent_key IS NULL OR a.status NOT IN \(Self.reachable) OR NOT \(Self.canBeGiven(rollout.commandType)))
        """, [.text(id)])
      let errors = try await connection.query(
        """
        SELECT agent_id, logical_agent_id, state, error, command_id FROM rollout_targets WHERE rollout_id = ? \
        AND state IN ('failed', 'timed_out', 'cancelled') ORDER BY ended_at DESC, agent_key LIMIT ?
        """, [.text(id), .int(Int64(RolloutProgress.errorsShown))])
      let speed = try await connection.query(
        """
        SELECT COUNT(IF(ended_at > NOW(3) - INTERVAL ? MICROSECOND, 1, NULL)) AS n, NOW(3) AS now FROM rollout_targets \
        WHERE rollout_id = ? AND state NOT IN ('waiting', 'sent')
        """, [.int(RolloutProgress.window.milliseconds * 1000), .text(id)])
      let now = try speed.first?.timestamp("now")
      return RolloutProgress(
        rollout: rollout, away: try away.first?.int("n") ?? 0, offline: try away.first?.int("offline") ?? 0,
        disabled: try away.first?.int("disabled") ?? 0,
        errors: try errors.map { row in
          RolloutProgress.Problem(
            agentID: try row.string("agent_id"), logicalAgentID: try row.string("logical_agent_id"), state: try row.string("state"),
            error: try row.optionalString("error"), commandID: try row.optionalString("command_id"))
        },
        recentlyEnded: try speed.first?.int("n") ?? 0,
        measured: rollout.startedAt.flatMap { started in now.map { min(RolloutProgress.window, $0.since(started)) } })
    }
  }
}
