import FleetProtocol
import MySQL
import ServiceRuntime

/// What became of a result.
public enum ResultOutcome: Sendable, Equatable {
  /// It is stored.
  case accepted
  /// The command had its result already; this one changed nothing.
  case duplicate
  /// This agent was given no such command.
  case unknown
}

// The outbox: claim, publish, mark. Rows are locked in one order everywhere, agents before commands, so that a dispatcher and a registration do not
// wait for each other in a ring.
extension CommandStore {
  /// Takes up to `limit` pending commands, most urgent first and then in the order of writing, and holds them for `lease`: if this
  /// process dies, another takes them after it. Only agents with a queue are looked at.
  ///
  /// Empty means that there is nothing left for this dispatcher now. Several dispatchers share the work: nobody waits for another's rows.
  public func claim(limit: Int, lease: Duration) async throws -> [ClaimedCommand] {
    // The candidates are read without locks, because ordering them would lock every pending row; only those chosen are then locked by their key.
    for _ in 0..<Self.claimAttempts {
      let candidates = try await candidates(limit)
      guard !candidates.isEmpty else { return [] }
      let claimed = try await claim(candidates, lease)
      if !claimed.isEmpty { return claimed }
    }
    return []
  }

  private static let claimAttempts = 3

  private func candidates(_ limit: Int) async throws -> [Int64] {
    let rows = try await pool.withConnection { connection in
      try await connection.query(
        """
        SELECT c.seq FROM commands c JOIN agents a ON a.id = c.agent_id WHERE c.status = 'pending' AND a.queue IS NOT NULL \
        AND (c.lease_until IS NULL OR c.lease_until <= NOW(3)) AND (c.expires_at IS NULL OR c.expires_at > NOW(3)) \
        ORDER BY c.priority DESC, c.seq LIMIT ?
        """, [.int(Int64(limit))])
    }
    return try rows.map { Int64(try $0.int("seq")) }
  }

  private func claim(_ candidates: [Int64], _ lease: Duration) async throws -> [ClaimedCommand] {
    var locking: SQLText = "SELECT seq FROM commands WHERE seq IN ("
    locking.append(list: candidates.map { .int($0) })
    locking.append(sql: ") AND status = 'pending' AND (lease_until IS NULL OR lease_until <= NOW(3)) FOR UPDATE SKIP LOCKED")
    let lock = locking
    return try await pool.transaction { connection in
      let seqs = try await connection.queryText(lock).map { Value.int(Int64(try $0.int("seq"))) }
      guard !seqs.isEmpty else { return [] }
      var reading: SQLText = "SELECT "
      reading.append(sql: ClaimedCommand.columns)
      reading.append(sql: " FROM commands c JOIN agents a ON a.id = c.agent_id WHERE a.queue IS NOT NULL AND c.seq IN (")
      reading.append(list: seqs)
      reading.append(sql: ") ORDER BY c.priority DESC, c.seq")
      let found = try Listing(try await connection.queryText(reading), of: "commands", ClaimedCommand.init)
      for problem in found.problems {
        // Such as a zero date that a lenient session wrote: nobody could ever send it, and it must not hold up the others.
        try await connection.execute(
          "UPDATE commands SET status = 'undeliverable', error = ?, finished_at = NOW(3), lease_until = NULL WHERE id = ?",
          [.text(Self.shortened(problem.problem)), .text(problem.id)])
      }
      let commands = found.rows
      guard !commands.isEmpty else { return [] }
      var leasing: SQLText = "UPDATE commands SET attempts = attempts + 1, lease_until = NOW(3) + INTERVAL "
      leasing.append(.int(lease.milliseconds * 1000))
      leasing.append(sql: " MICROSECOND WHERE seq IN (")
      leasing.append(list: commands.map { .int($0.seq) })
      leasing.append(sql: ")")
      try await connection.executeText(leasing)
      return commands
    }
  }

  /// Marks commands that the broker has taken as `queued`; returns how many it marked.
  ///
  /// A command that has its result already stays as it is, and so does one whose agent has registered again meanwhile: the queue it went to is no
  /// more, so it stays pending and is sent again when its lease ends.
  @discardableResult
  public func markQueued(_ commands: [ClaimedCommand]) async throws -> Int {
    guard !commands.isEmpty else { return 0 }
    return try await pool.transaction { connection in
      // A registration under way holds these rows; after it, its generation is seen here.
      var locking: SQLText = "SELECT id, generation FROM agents WHERE id IN ("
      locking.append(list: Set(commands.map(\.agentID)).sorted().map { .text($0) })
      locking.append(sql: ") ORDER BY agent_key LOCK IN SHARE MODE")
      var generations: [String: Int] = [:]
      for row in try await connection.queryText(locking) { generations[try row.string("id")] = try row.int("generation") }
      let current = commands.filter { generations[$0.agentID] == $0.generation }
      guard !current.isEmpty else { return 0 }
      var marking: SQLText =
        "UPDATE commands SET status = 'queued', queued_at = NOW(3), lease_until = NULL, error = NULL, generation = CASE seq"
      for command in current {
        marking.append(sql: " WHEN ")
        marking.append(.int(command.seq))
        marking.append(sql: " THEN ")
        marking.append(.int(Int64(command.generation)))
      }
      marking.append(sql: " END WHERE status = 'pending' AND seq IN (")
      marking.append(list: current.map { .int($0.seq) })
      marking.append(sql: ")")
      return try await connection.executeText(marking).matchedRows
    }
  }

  /// Gives a command back that could not be sent, with the reason: it may be claimed again `after` from now.
  public func release(_ seq: Int64, after delay: Duration, error: String) async throws {
    try await pool.withConnection { connection in
      _ = try await connection.execute(
        "UPDATE commands SET lease_until = NOW(3) + INTERVAL ? MICROSECOND, error = ? WHERE seq = ? AND status = 'pending'",
        [.int(delay.milliseconds * 1000), .text(Self.shortened(error)), .int(seq)])
    }
  }

  /// Ends a command that can never be sent, with the reason.
  public func closeUndeliverable(_ seq: Int64, reason: String) async throws {
    try await close([.int(seq)], as: .undeliverable, reason)
  }

  /// Ends commands that were not delivered before their `expires_at`, at most `limit`; returns how many. Cheap: for every sweep.
  @discardableResult
  public func closeExpired(limit: Int = 1000) async throws -> Int {
    var count = 0
    // One status at a time, because that is a range of the index.
    for status in [CommandStatus.pending, .queued] {
      let rows = try await pool.withConnection { connection in
        try await connection.query(
          "SELECT seq FROM commands WHERE status = ? AND expires_at <= NOW(3) ORDER BY expires_at LIMIT ?",
          [.text(status.rawValue), .int(Int64(limit))])
      }
      count += try await close(
        rows.map { .int(Int64(try $0.int("seq"))) }, as: .expired, "it was not delivered before its expires_at")
    }
    return count
  }

  /// Ends commands whose agent is not there any more, at most `limit`; returns how many. Looks at every command under way: for every half minute.
  @discardableResult
  public func closeOrphaned(limit: Int = 1000) async throws -> Int {
    let rows = try await pool.withConnection { connection in
      try await connection.query(
        """
        SELECT c.seq FROM commands c LEFT JOIN agents a ON a.id = c.agent_id WHERE c.status IN ('pending', 'queued') AND a.id IS NULL \
        ORDER BY c.seq LIMIT ?
        """, [.int(Int64(limit))])
    }
    return try await close(rows.map { .int(Int64(try $0.int("seq"))) }, as: .undeliverable, "there is no agent with this agent_id")
  }

  @discardableResult
  private func close(_ seqs: [Value], as status: CommandStatus, _ reason: String) async throws -> Int {
    guard !seqs.isEmpty else { return 0 }
    var sql: SQLText = "UPDATE commands SET finished_at = NOW(3), lease_until = NULL, error = "
    sql.append(.text(Self.shortened(reason)))
    sql.append(sql: ", status = ")
    sql.append(.text(status.rawValue))
    sql.append(sql: " WHERE status IN ('pending', 'queued') AND seq IN (")
    sql.append(list: seqs)
    sql.append(sql: ")")
    let statement = sql
    return try await pool.withConnection { connection in try await connection.executeText(statement).matchedRows }
  }

  /// Stores a command's result, once. `expired` and `undeliverable` are only what the server believed; the agent that ran it after all is believed more.
  ///
  /// `address` is who signed it: the command must be that agent's. Its times count as now at the latest.
  public func finish(_ result: CommandResult, from address: AgentAddress) async throws -> ResultOutcome {
    var output: Value = .null
    if let value = result.output { output = .text(String(decoding: try WireCoding.encodeJSON(value), as: UTF8.self)) }
    let values: [Value] = [
      .text(result.status.rawValue), output, Value(result.error), .timestamp(result.startedAt.storable),
      .timestamp(result.finishedAt.storable), .timestamp(result.startedAt.storable), .text(result.commandID), .text(result.agentID),
      .text(address.clientID), .text(address.logicalAgentID),
    ]
    // A quick agent's result comes before the mark that its command is queued: it was in the queue when it started, at the latest.
    return try await pool.withConnection { connection in
      let updated = try await connection.execute(
        """
        UPDATE commands SET status = ?, output = ?, error = ?, started_at = LEAST(CAST(? AS DATETIME(3)), NOW(3)), \
        finished_at = LEAST(CAST(? AS DATETIME(3)), NOW(3)), lease_until = NULL, \
        queued_at = COALESCE(queued_at, LEAST(CAST(? AS DATETIME(3)), NOW(3))) \
        WHERE id = ? AND agent_id = ? AND \(Self.isTheirs) AND status NOT IN ('succeeded', 'failed', 'timed_out', 'cancelled')
        """, values)
      if updated.matchedRows > 0 { return .accepted }
      let rows = try await connection.query(
        "SELECT 1 FROM commands WHERE id = ? AND agent_id = ? AND \(Self.isTheirs)", Array(values.suffix(4)))
      return rows.isEmpty ? .unknown : .duplicate
    }
  }

  /// Inside a registration's transaction: what lay in the agent's previous queue is to be sent again, and what waits because there was no queue
  /// need wait no longer. Returns how many commands that are.
  static func requeueForNewGeneration(agentID: String, on connection: Connection) async throws -> Int {
    try await connection.execute(
      """
      UPDATE commands SET status = 'pending', lease_until = NULL, queued_at = NULL, generation = NULL \
      WHERE agent_id = ? AND status IN ('queued', 'pending')
      """, [.text(agentID)]
    ).matchedRows
  }

  private static let isTheirs =
    "EXISTS (SELECT 1 FROM agents a WHERE a.id = commands.agent_id AND a.client_id = ? AND a.logical_agent_id = ?)"

  private static func shortened(_ text: String) -> String { String(text.prefix(1000)) }
}
