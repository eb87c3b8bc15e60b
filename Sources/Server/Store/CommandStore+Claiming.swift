import FleetProtocol
import MySQL
import ServiceRuntime

// The outbox's first step: taking what is to be sent, for a while.
extension CommandStore {
  /// Takes up to `limit` pending commands, most urgent first and then in the order of writing, and holds them for `lease`: if this
  /// process dies, another takes them after it. Only agents with a queue are looked at.
  ///
  /// Empty means that there is nothing left for this dispatcher now. Several dispatchers share the work: nobody waits for another's rows.
  /// Commands of agents that poll are met here once and put aside as `queued`, so that they never stand in the way of those that are sent.
  public func claim(limit: Int, lease: Duration) async throws -> [ClaimedCommand] {
    for _ in 0..<Self.claimAttempts {
      var found = try await claimable(limit)
      for _ in 0..<Self.asideAttempts where !found.polled.isEmpty {
        try await setAside(found.polled)
        found = try await claimable(limit)
      }
      guard !found.sendable.isEmpty else { return [] }
      let claimed = try await claim(found.sendable, lease)
      if !claimed.isEmpty { return claimed }
    }
    return []
  }

  /// The candidates are read without locks, because ordering them would lock every pending row; only those chosen are then locked by their key.
  private func claimable(_ limit: Int) async throws -> (sendable: [Int64], polled: [WaitingForPoll]) {
    let rows = try await pool.withConnection { connection in
      try await connection.query(
        """
        SELECT c.seq, c.agent_id, a.queue IS NOT NULL AS is_sendable FROM commands c JOIN agents a ON a.id = c.agent_id \
        WHERE c.status = 'pending' AND (a.queue IS NOT NULL OR a.transport = 'http') \
        AND (c.lease_until IS NULL OR c.lease_until <= NOW(3)) AND (c.expires_at IS NULL OR c.expires_at > NOW(3)) \
        AND c.cancel_requested_at IS NULL ORDER BY c.priority DESC, c.seq LIMIT ?
        """, [.int(Int64(limit))])
    }
    var sendable: [Int64] = []
    var polled: [WaitingForPoll] = []
    for row in rows {
      let seq = Int64(try row.int("seq"))
      if try row.int("is_sendable") != 0 {
        sendable.append(seq)
      } else {
        polled.append(WaitingForPoll(seq: seq, agentID: try row.string("agent_id")))
      }
    }
    return (sendable, polled)
  }

  private static let claimAttempts = 3
  /// Batches of commands for agents that poll that one claim puts aside before it sends.
  private static let asideAttempts = 20

  private func claim(_ candidates: [Int64], _ lease: Duration) async throws -> [ClaimedCommand] {
    try await pool.transaction { connection in
      let locked = try await Self.lock(
        candidates, " AND status = 'pending' AND cancel_requested_at IS NULL AND (lease_until IS NULL OR lease_until <= NOW(3))",
        skippingLocked: true, on: connection
      ).rows
      guard !locked.isEmpty else { return [] }
      var reading: SQLText = "SELECT "
      reading.append(sql: ClaimedCommand.columns)
      reading.append(sql: " FROM commands c JOIN agents a ON a.id = c.agent_id WHERE a.queue IS NOT NULL AND c.seq IN (")
      reading.append(list: locked.map { .int($0.seq) })
      reading.append(sql: ") ORDER BY c.priority DESC, c.seq")
      let found = try Listing(try await connection.queryText(reading), of: "commands", ClaimedCommand.init)
      for problem in found.problems {
        // Such as a zero date that a lenient session wrote: nobody could ever send it, and it must not hold up the others.
        let moves = Self.moves(locked.filter { $0.id == problem.id }, by: .undeliverable)
        try await Self.end(moves, problem.problem, on: connection)
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

  /// Gives a command back that could not be sent, with the reason: it may be claimed again `after` from now.
  public func release(_ seq: Int64, after delay: Duration, error: String) async throws {
    try await pool.withConnection { connection in
      _ = try await connection.execute(
        "UPDATE commands SET lease_until = NOW(3) + INTERVAL ? MICROSECOND, error = ? WHERE seq = ? AND status = 'pending'",
        [.int(delay.milliseconds * 1000), .text(Self.shortened(error)), .int(seq)])
    }
  }
}
