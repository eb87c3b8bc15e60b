import FleetProtocol
import MySQL
import ServiceRuntime

/// What became of a wish to call a command off.
public enum CancelAnswer: Sendable, Equatable {
  /// It had not been sent; it is `cancelled`.
  case cancelled
  /// Its agent is told, and says what became of it.
  case requested
  /// It had ended already, so.
  case ended(CommandStatus)
  /// There is no such command.
  case unknown
}

/// What became of a wish to call many commands off.
public struct CancelCounts: Sendable, Equatable {
  /// Those that had not been sent; they are `cancelled`.
  public var cancelled = 0
  /// Those whose agents are told.
  public var requested = 0

  /// None.
  public init() {}
}

/// A cancellation that is to go to its agent's queue.
public struct DueCancellation: Sendable, Equatable {
  /// `commands.seq`.
  public let seq: Int64
  /// `commands.id`.
  public let commandID: String
  /// The command's agent.
  public let agentID: String
  /// The agent's own name.
  public let logicalAgentID: String
  /// The agent's client.
  public let clientID: String
  /// The agent's queue.
  public let queue: String
  /// The queue's generation.
  public let generation: Int
  /// When the command was called off.
  public let requestedAt: Timestamp
}

// Calling commands off. After the commit of each of these the caller raises `WorkSignals` (cancels and events), or sends a wake-up.
extension CommandStore {
  /// Calls commands off, by id. What was not sent is `cancelled` at once; for the others `cancel_requested_at` is set and their agents are told.
  public func requestCancel(ids: [String]) async throws -> [String: CancelAnswer] {
    guard !ids.isEmpty else { return [:] }
    return try await pool.transaction { connection in
      var sql: SQLText = "SELECT seq, id FROM commands WHERE id IN ("
      sql.append(list: Set(ids).sorted().map { .text($0) })
      sql.append(sql: ")")
      // The collation pads: what differs by spaces at the end is another id.
      let seqs = try await connection.queryText(sql).filter { ids.contains(try $0.string("id")) }.map { Int64(try $0.int("seq")) }
      let locked = try await Self.lock(seqs, on: connection)
      if let problem = locked.problems.first { throw problem }
      var answers: [String: CancelAnswer] = [:]
      for id in ids { answers[id] = .unknown }
      for row in locked.rows { answers[row.id] = row.lifecycle.status.isFinal ? .ended(row.lifecycle.status) : .requested }
      for row in try await Self.requestCancel(locked.rows, on: connection) { answers[row.id] = .cancelled }
      return answers
    }
  }

  /// Calls off whatever of a rollout has not ended, in transactions of `batch` rows each: what was done is done if a later one fails, and doing it
  /// again goes on where it stopped.
  public func requestCancel(rolloutID: String, batch: Int = closedAtOnce) async throws -> CancelCounts {
    var counts = CancelCounts()
    while true {
      let seqs = try await keys(
        """
        SELECT seq FROM commands WHERE rollout_id = ? AND status IN ('pending', 'queued', 'delivered', 'running') \
        AND cancel_requested_at IS NULL ORDER BY seq LIMIT ?
        """, [.text(rolloutID), .int(Int64(batch))])
      guard !seqs.isEmpty else { return counts }
      let done = try await pool.transaction { connection in
        let rows = try await Self.lock(seqs, " AND cancel_requested_at IS NULL", on: connection).rows
        let cancelled = try await Self.requestCancel(rows, on: connection).count
        return (cancelled: cancelled, requested: rows.count { !$0.lifecycle.status.isFinal } - cancelled)
      }
      counts.cancelled += done.cancelled
      counts.requested += done.requested
    }
  }

  /// Marks locked rows as called off and ends those that were not sent, which it returns.
  private static func requestCancel(_ rows: [LockedCommand], on connection: Connection) async throws -> [LockedCommand] {
    let open = rows.filter { !$0.lifecycle.status.isFinal && !$0.isCancelRequested }
    guard !open.isEmpty else { return [] }
    var sql: SQLText = "UPDATE commands SET cancel_requested_at = NOW(3), cancel_generation = NULL WHERE seq IN ("
    sql.append(list: open.map { .int($0.seq) })
    sql.append(sql: ")")
    try await connection.executeText(sql)
    let moves = moves(open, by: .cancelRequested)
    try await end(moves, "cancelled before it was sent", on: connection)
    return moves.map(\.row)
  }

  /// Takes up to `limit` cancellations that their agents' queues do not have yet, and holds them for `lease`: of called off commands that have not
  /// ended, and again when the agent has registered anew. Most urgent commands first; nothing else that waits to be sent is looked at.
  public func claimCancellations(limit: Int, lease: Duration) async throws -> [DueCancellation] {
    let seqs = try await keys(
      """
      SELECT c.seq FROM commands c FORCE INDEX (commands_cancel) JOIN agents a ON a.id = c.agent_id \
      WHERE c.status IN ('pending', 'queued', 'delivered', 'running') AND c.cancel_requested_at IS NOT NULL AND a.queue IS NOT NULL \
      AND (c.cancel_generation IS NULL OR c.cancel_generation <> a.generation) AND (c.lease_until IS NULL OR c.lease_until <= NOW(3)) \
      ORDER BY c.priority DESC, c.seq LIMIT ?
      """, [.int(Int64(limit))])
    guard !seqs.isEmpty else { return [] }
    return try await pool.transaction { connection in
      let rows = try await Self.lock(
        seqs, " AND (lease_until IS NULL OR lease_until <= NOW(3))", skippingLocked: true, on: connection
      ).rows.filter { !$0.lifecycle.status.isFinal }
      guard !rows.isEmpty else { return [] }
      var leasing: SQLText = "UPDATE commands SET lease_until = NOW(3) + INTERVAL "
      leasing.append(.int(lease.milliseconds * 1000))
      leasing.append(sql: " MICROSECOND WHERE seq IN (")
      leasing.append(list: rows.map { .int($0.seq) })
      leasing.append(sql: ")")
      try await connection.executeText(leasing)
      var reading: SQLText = """
        SELECT c.seq, c.id, c.agent_id, c.cancel_requested_at, a.client_id, a.logical_agent_id, a.queue, a.generation FROM commands c \
        JOIN agents a ON a.id = c.agent_id WHERE a.queue IS NOT NULL AND c.seq IN (
        """
      reading.append(list: rows.map { .int($0.seq) })
      reading.append(sql: ") ORDER BY c.priority DESC, c.seq")
      return try await connection.queryText(reading).map(DueCancellation.init)
    }
  }

  /// Notes that cancellations are in their agents' queues, or that there is no queue for them until the agents register anew.
  public func markCancellations(_ sent: [DueCancellation]) async throws {
    guard !sent.isEmpty else { return }
    var sql: SQLText = "UPDATE commands SET lease_until = NULL, cancel_generation = CASE seq"
    for cancellation in sent {
      sql.append(sql: " WHEN ")
      sql.append(.int(cancellation.seq))
      sql.append(sql: " THEN ")
      sql.append(.int(Int64(cancellation.generation)))
    }
    sql.append(sql: " END WHERE seq IN (")
    sql.append(list: sent.map(\.seq).sorted().map { .int($0) })
    sql.append(sql: ") AND status IN ('pending', 'queued', 'delivered', 'running')")
    let statement = sql
    _ = try await pool.withConnection { connection in try await connection.executeText(statement) }
  }

  /// Gives cancellations back that the broker did not take: they may be claimed again `after` from now.
  public func releaseCancellations(_ unsent: [DueCancellation], after delay: Duration) async throws {
    guard !unsent.isEmpty else { return }
    var sql: SQLText = "UPDATE commands SET lease_until = NOW(3) + INTERVAL "
    sql.append(.int(delay.milliseconds * 1000))
    sql.append(sql: " MICROSECOND WHERE seq IN (")
    sql.append(list: unsent.map(\.seq).sorted().map { .int($0) })
    sql.append(sql: ") AND status IN ('pending', 'queued', 'delivered', 'running')")
    let statement = sql
    _ = try await pool.withConnection { connection in try await connection.executeText(statement) }
  }

  /// Ends called off commands that were not started and whose agent cannot be told, with the reason.
  @discardableResult
  public func closeUnansweredCancellation(_ seqs: [Int64], _ why: String) async throws -> Int {
    try await close(seqs, by: .cancelUnanswered) { $0.endOfUnansweredCancellation(why) }
  }
}

extension DueCancellation {
  init(_ row: Row) throws {
    seq = Int64(try row.int("seq"))
    commandID = try row.string("id")
    agentID = try row.string("agent_id")
    logicalAgentID = try row.string("logical_agent_id")
    clientID = try row.string("client_id")
    queue = try row.string("queue")
    generation = try row.int("generation")
    requestedAt = try row.timestamp("cancel_requested_at")
  }
}
