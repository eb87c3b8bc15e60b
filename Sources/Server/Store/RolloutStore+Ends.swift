import FleetProtocol
import MySQL
import ServiceRuntime

// Targets that end without their command having run.
extension RolloutTransaction {
  /// Ends targets whose agents were deleted.
  mutating func forgetDeletedAgents() async throws {
    let rows = try await connection.query(
      """
      SELECT t.agent_key FROM rollout_targets t LEFT JOIN agents a ON a.agent_key = t.agent_key WHERE t.rollout_id = ? AND t.state = 'waiting' \
      AND (a.agent_key IS NULL OR a.status = 'deleted') ORDER BY t.agent_key LIMIT ?
      """, [.text(rollout.id), .int(Int64(RolloutStore.movedAtOnce))])
    try await end(rows, as: .gone, "the agent was deleted")
  }

  /// Ends targets whose agents are away, when the rollout has lived long enough.
  mutating func giveUp() async throws {
    let rows = try await connection.query(
      """
      SELECT t.agent_key FROM rollout_targets t LEFT JOIN agents a ON a.agent_key = t.agent_key WHERE t.rollout_id = ? AND t.state = 'waiting' \
      AND (a.agent_key IS NULL OR a.status NOT IN \(RolloutStore.reachable) OR NOT \(RolloutStore.canBeGiven(rollout.commandType))) ORDER BY t.agent_key LIMIT ?
      """, [.text(rollout.id), .int(Int64(RolloutStore.movedAtOnce))])
    try await end(rows, as: .givenUp, "the agent did not come online in time")
  }

  /// Of a rollout that was cancelled: ends what waits, and closes it when nothing is under way any more.
  mutating func callOff() async throws {
    if rollout.counts.waiting > 0 {
      let rows = try await connection.query(
        "SELECT agent_key FROM rollout_targets WHERE rollout_id = ? AND state = 'waiting' ORDER BY agent_key LIMIT ?",
        [.text(rollout.id), .int(Int64(RolloutStore.movedAtOnce))])
      try await end(rows, as: .calledOff, nil)
    }
    if rollout.counts.waiting + rollout.counts.sent == 0 { close() }
  }

  private mutating func end(_ rows: [Row], as state: RolloutTargetState, _ error: String?) async throws {
    guard !rows.isEmpty else { return }
    var sql: SQLText = "UPDATE rollout_targets SET ended_at = NOW(3), state = "
    sql.append(.text(state.rawValue))
    sql.append(sql: ", error = ")
    sql.append(Value(error))
    sql.append(sql: " WHERE rollout_id = ")
    sql.append(.text(rollout.id))
    sql.append(sql: " AND agent_key IN (")
    sql.append(list: try rows.map { .int(Int64(try $0.int("agent_key"))) })
    sql.append(sql: ")")
    try await connection.executeText(sql)
    noteEnd(rows.count, as: state)
  }
}
