import FleetProtocol
import MySQL
import ServiceRuntime

// Removing commands that ended long ago. Candidates are read without locks by a range of the index `commands_age`; then they are locked by their keys, in the
// order in which everybody locks them, and looked at again. What somebody else holds is left for the next round, so this waits for nobody.
extension CommandStore {
  /// Which old commands: those of a rollout stay for as long as it does.
  enum OldCommands: Sendable {
    /// Those that no rollout has written.
    case ofNoRollout
    /// Those of the rollout with this id, whose row is gone.
    case ofRemovedRollout(String)

    fileprivate var condition: String {
      switch self {
      case .ofNoRollout: "rollout_id IS NULL"
      case .ofRemovedRollout: "rollout_id = ?"
      }
    }

    fileprivate var values: [Value] {
      switch self {
      case .ofNoRollout: []
      case .ofRemovedRollout(let id): [.text(id)]
      }
    }
  }

  /// What one batch came to.
  struct PrunedBatch: Sendable {
    var removed = 0
    /// The end of the newest command that was looked at: where to go on.
    var reached: Timestamp?
  }

  /// Bytes of output that one batch removes at most, but for one command by itself: a replica gets all that a transaction removes in one piece.
  private static let prunedBytes = 8 * 1024 * 1024

  private static let final = CommandStatus.allCases.filter(\.isFinal).map(\.rawValue)

  /// The candidates, oldest first. What was imported stays, a few rows: another import knows by them what has been here.
  ///
  /// Whoever goes on from `reached` does not read again what was just removed, which the index may have for hours while somebody makes a backup.
  static func pruningCandidates(_ group: OldCommands, from reached: Bool) -> String {
    """
    SELECT seq, finished_at, LEAST(COALESCE(stdout_bytes, 0) + COALESCE(stderr_bytes, 0), \(MessageLimits.outputBytes)) AS bytes \
    FROM commands FORCE INDEX (commands_age) WHERE \(group.condition) AND finished_at < NOW(3) - INTERVAL ? DAY\
    \(reached ? " AND finished_at >= ?" : "") AND status IN ('\(final.joined(separator: "', '"))') AND (source IS NULL OR source <> '\(FleetImport.source)') \
    ORDER BY finished_at LIMIT ?
    """
  }

  /// Removes commands that ended more than `days` ago, at most `limit` of them, oldest first. Call it again from where it `reached` until it removes none.
  ///
  /// A command without `finished_at`, which only a person can have ended by hand, stays.
  func prune(_ group: OldCommands, olderThanDays days: Int, from reached: Timestamp? = nil, limit: Int) async throws -> PrunedBatch {
    let rows = try await pool.withConnection { connection in
      try await connection.query(
        Self.pruningCandidates(group, from: reached != nil),
        group.values + [.int(Int64(days))] + (reached.map { [.timestamp($0)] } ?? []) + [.int(Int64(limit))])
    }
    var batch = PrunedBatch(reached: reached)
    var seqs: [Int64] = []
    var bytes = 0
    for row in rows {
      bytes += try row.int("bytes")
      guard seqs.isEmpty || bytes <= Self.prunedBytes else { break }
      seqs.append(Int64(try row.int("seq")))
      batch.reached = try row.timestamp("finished_at")
    }
    guard !seqs.isEmpty else { return batch }
    let found = seqs.sorted()
    batch.removed = try await pool.transaction { connection in
      var locking: SQLText = "SELECT seq FROM commands FORCE INDEX (PRIMARY) WHERE seq IN ("
      locking.append(list: found.map { .int($0) })
      locking.append(sql: ") AND finished_at < NOW(3) - INTERVAL ")
      locking.append(.int(Int64(days)))
      locking.append(sql: " DAY AND status IN (")
      locking.append(list: Self.final.map { .text($0) })
      locking.append(sql: ") ORDER BY seq FOR UPDATE SKIP LOCKED")
      let locked = try await connection.queryText(locking).map { Value.int(Int64(try $0.int("seq"))) }
      guard !locked.isEmpty else { return 0 }
      var removing: SQLText = "DELETE FROM commands WHERE seq IN ("
      removing.append(list: locked)
      removing.append(sql: ")")
      return try await connection.executeText(removing).matchedRows
    }
    return batch
  }
}
