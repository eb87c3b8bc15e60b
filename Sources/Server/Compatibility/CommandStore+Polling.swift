import FleetProtocol
import MySQL
import ServiceRuntime

/// A pending command of an agent that polls.
struct WaitingForPoll: Sendable {
  let seq: Int64
  let agentID: String
}

// Commands of agents that poll. They wait in the table where others wait at the broker, and go through the same lifecycle.
//
// An agent may move to the other transport at any time. Both of these hold its row (shared) before they touch its commands, as a registration does
// (exclusively): so a command is either put aside for polling and made pending again by the registration, or found to be the queue's.
extension CommandStore {
  /// Commands in one answer.
  private static let polledAtOnce = 100

  /// Puts pending commands aside until their agents poll (`queued`), and ends those that no such agent runs.
  func setAside(_ waiting: [WaitingForPoll]) async throws {
    let ids = Set(waiting.map(\.agentID))
    try await pool.transaction { connection in
      var locking: SQLText = "SELECT id FROM agents WHERE transport = 'http' AND id IN ("
      locking.append(list: ids.sorted().map { .text($0) })
      locking.append(sql: ") ORDER BY agent_key LOCK IN SHARE MODE")
      let polling = Set(try await connection.queryText(locking).map { try $0.string("id") })
      let rows = try await Self.lock(waiting.map(\.seq), " AND status = 'pending' AND cancel_requested_at IS NULL", on: connection).rows
        .filter { polling.contains($0.agentID) }
      try await Self.refuseUnknown(rows, on: connection)
      let moves = Self.moves(rows.filter { PolledCommand.refusal(of: $0.commandType) == nil }, by: .queued)
      guard !moves.isEmpty else { return }
      var marking: SQLText =
        "UPDATE commands SET status = 'queued', queued_at = NOW(3), lease_until = NULL, error = NULL, generation = NULL WHERE seq IN ("
      marking.append(list: moves.map { .int($0.row.seq) })
      marking.append(sql: ")")
      try await connection.executeText(marking)
      try await Self.tell(moves, on: connection)
    }
  }

  /// What an agent gets that polls: the commands that wait for it, which are `delivered` by this, and those that it was given before and has not reported.
  /// Highest priority first, then the oldest. `areNew` says whether a row was changed.
  ///
  /// What was delivered to this agent over AMQP, or by polling before it moved there and back, is not in it: it may have run.
  func poll(_ agent: PollingAgent) async throws -> (commands: [PolledCommand], areNew: Bool) {
    let rows = try await pool.withConnection { connection in
      try await connection.query(
        """
        SELECT \(PolledCommand.columns) FROM commands WHERE agent_id = ? AND cancel_requested_at IS NULL \
        AND ((status IN ('pending', 'queued') AND (expires_at IS NULL OR expires_at > NOW(3))) \
        OR (status = 'delivered' AND run_until > NOW(3) AND generation = ?)) ORDER BY priority DESC, seq LIMIT ?
        """, [.text(agent.id), .int(Int64(agent.generation)), .int(Int64(Self.polledAtOnce))])
    }
    var commands: [PolledCommand] = []
    var broken: [Int64: String] = [:]
    for row in rows {
      do {
        commands.append(try PolledCommand(row, instanceID: agent.instanceID))
      } catch let error as MessageError {
        broken[Int64(try row.int("seq"))] = "\(error)"
      }
    }
    let waiting = commands.filter { $0.status != .delivered }
    guard !waiting.isEmpty || !broken.isEmpty else { return (commands, false) }
    let (found, problems) = (waiting, broken)
    let delivered = try await pool.transaction { connection in try await Self.deliver(found, problems, to: agent, on: connection) }
    return (commands.filter { $0.status == .delivered || delivered.contains($0.seq) }, true)
  }

  private static func deliver(
    _ commands: [PolledCommand], _ broken: [Int64: String], to agent: PollingAgent, on connection: Connection
  ) async throws -> Set<Int64> {
    let holding = try await connection.query(
      "SELECT id FROM agents WHERE id = ? AND transport = 'http' AND generation = ? LOCK IN SHARE MODE",
      [.text(agent.id), .int(Int64(agent.generation))])
    guard !holding.isEmpty else { return [] }
    let rows = try await lock(
      commands.map(\.seq) + broken.keys, " AND status IN ('pending', 'queued', 'delivered') AND cancel_requested_at IS NULL", on: connection
    ).rows
    // Of two polls at once the second finds that the first has delivered them: they are in its answer too.
    let open = rows.filter { $0.lifecycle.status != .delivered }
    for row in open {
      if let problem = broken[row.seq] { try await end(moves([row], by: .undeliverable), problem, on: connection) }
    }
    let sound = open.filter { broken[$0.seq] == nil }
    try await refuseUnknown(sound, on: connection)
    let moves = moves(sound.filter { PolledCommand.refusal(of: $0.commandType) == nil }, by: .delivered)
    let waits = Dictionary(commands.map { ($0.seq, $0.terminateWaitSeconds ?? 0) }) { first, _ in first }
    for (wait, group) in Dictionary(grouping: moves, by: { waits[$0.row.seq] ?? 0 }) {
      var marking: SQLText = """
        UPDATE commands SET status = 'delivered', queued_at = COALESCE(queued_at, NOW(3)), delivered_at = NOW(3), lease_until = NULL, error = NULL, \
        run_until = NOW(3) + INTERVAL (COALESCE(timeout_seconds,
        """
      marking.append(sql: " ")
      marking.append(.int(Int64(PolledCommand.defaultTimeoutSeconds)))
      marking.append(sql: ") + ")
      marking.append(.int(Int64(wait) + executionGrace.components.seconds))
      marking.append(sql: ") SECOND, generation = ")
      marking.append(.int(Int64(agent.generation)))
      marking.append(sql: " WHERE seq IN (")
      marking.append(list: group.map { .int($0.row.seq) })
      marking.append(sql: ")")
      try await connection.executeText(marking)
    }
    try await tell(moves, on: connection)
    // Broken parameters are never given out, also not when another poll was first.
    let others = rows.filter { $0.lifecycle.status == .delivered && $0.runUntil != nil && broken[$0.seq] == nil }
    return Set(moves.map(\.row.seq) + others.map(\.seq))
  }

  private static func refuseUnknown(_ rows: [LockedCommand], on connection: Connection) async throws {
    for (commandType, group) in Dictionary(grouping: rows, by: \.commandType) {
      guard let reason = PolledCommand.refusal(of: commandType) else { continue }
      try await end(moves(group, by: .undeliverable), reason, on: connection)
    }
  }
}
