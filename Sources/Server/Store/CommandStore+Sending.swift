import FleetProtocol
import MySQL
import ServiceRuntime

/// What became of commands that the broker has taken.
public struct QueuedCommands: Sendable, Equatable {
  /// How many are `queued` now.
  public var marked = 0
  /// Those that somebody called off while they were being sent: their agents are to be told.
  public var calledOff: [ClaimedCommand] = []
}

// Between the server and the agent's queue.
extension CommandStore {
  /// Marks commands that the broker has taken as `queued`.
  ///
  /// A command that its agent has spoken of already stays as it is, and so does one whose agent has registered again meanwhile: the queue it went to is
  /// no more, so it stays pending and is sent again when its lease ends.
  @discardableResult
  public func markQueued(_ commands: [ClaimedCommand]) async throws -> QueuedCommands {
    guard !commands.isEmpty else { return QueuedCommands() }
    let claims = Dictionary(commands.map { ($0.seq, $0) }) { first, _ in first }
    return try await pool.transaction { connection in
      let generations = try await Self.lockGenerations(of: commands, on: connection)
      let rows = try await Self.lock(claims.keys, on: connection).rows
      var result = QueuedCommands()
      result.calledOff = rows.filter { $0.lifecycle == CommandLifecycle(.cancelled) }.compactMap { claims[$0.seq] }
      let moves = Self.moves(rows, by: .queued).filter { move in
        claims[move.row.seq].map { generations[$0.agentID] == $0.generation } ?? false
      }
      guard !moves.isEmpty else { return result }
      var marking: SQLText =
        "UPDATE commands SET status = 'queued', queued_at = NOW(3), lease_until = NULL, error = NULL, generation = CASE seq"
      for move in moves {
        guard let claim = claims[move.row.seq] else { continue }
        marking.append(sql: " WHEN ")
        marking.append(.int(claim.seq))
        marking.append(sql: " THEN ")
        marking.append(.int(Int64(claim.generation)))
      }
      marking.append(sql: " END WHERE seq IN (")
      marking.append(list: moves.map { .int($0.row.seq) })
      marking.append(sql: ")")
      result.marked = try await connection.executeText(marking).matchedRows
      try await Self.tell(moves, on: connection)
      return result
    }
  }

  /// The generations that these commands' agents are at. A registration under way holds these rows; after it, its generation is seen here.
  private static func lockGenerations(of commands: [ClaimedCommand], on connection: Connection) async throws -> [String: Int] {
    var sql: SQLText = "SELECT id, generation FROM agents WHERE id IN ("
    sql.append(list: Set(commands.map(\.agentID)).sorted().map { .text($0) })
    sql.append(sql: ") ORDER BY agent_key LOCK IN SHARE MODE")
    var generations: [String: Int] = [:]
    for row in try await connection.queryText(sql) { generations[try row.string("id")] = try row.int("generation") }
    return generations
  }

  /// Inside a registration's transaction: what lay in the agent's previous queue is to be sent again, and what waits because there was no queue
  /// need wait no longer. Returns how many commands that are. What the agent has in its journal stays as it is.
  static func requeueForNewGeneration(agentID: String, on connection: Connection) async throws -> Int {
    let open = try await connection.query(
      "SELECT seq FROM commands WHERE agent_id = ? AND status IN ('queued', 'pending')", [.text(agentID)])
    guard !open.isEmpty else { return 0 }
    let rows = try await lock(open.map { Int64(try $0.int("seq")) }, on: connection).rows
    let moves = moves(rows, by: .requeued)
    let waiting = rows.filter { $0.lifecycle.status == .pending }
    let seqs = (moves.map(\.row) + waiting).map { Value.int($0.seq) }
    guard !seqs.isEmpty else { return 0 }
    var sql: SQLText = "UPDATE commands SET status = 'pending', lease_until = NULL, queued_at = NULL, generation = NULL WHERE seq IN ("
    sql.append(list: seqs)
    sql.append(sql: ")")
    try await connection.executeText(sql)
    try await tell(moves, on: connection)
    return seqs.count
  }
}
