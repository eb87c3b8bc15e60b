import MySQL
import ServiceRuntime

/// Work that one process of all does at a time: a row of `leases` that says who does it and until when, by the database's clock.
///
/// Unlike a lock of a connection (`LeaderLock`) it ends by itself, whatever has become of the machine that held it; and holding it keeps no transaction
/// open. A holder that was held up for longer than its lease may still be at work when the next one begins, so the work must be right when two do it.
struct Lease: Sendable {
  private let pool: Pool
  private let name: String
  /// Who holds it when we do: a name that nobody else has.
  private let holder = randomUUID()
  /// How long it is held at a time.
  let duration: Duration

  /// A lease in the pool's database. Each value is another holder.
  init(_ pool: Pool, name: String, duration: Duration) {
    self.pool = pool
    self.name = name
    self.duration = duration
  }

  /// Takes it, or holds it for another `duration`; `false` while somebody else has it. Does not wait.
  func take() async throws -> Bool {
    let microseconds = Value.int(duration.milliseconds * 1000)
    return try await pool.withConnection { connection in
      let taken = try await connection.execute(
        "UPDATE leases SET holder = ?, until = NOW(3) + INTERVAL ? MICROSECOND WHERE name = ? AND (holder = ? OR until <= NOW(3))",
        [.text(holder), microseconds, .text(name), .text(holder)])
      if taken.matchedRows > 0 { return true }
      // The first time there is no row yet.
      return try await connection.execute(
        "INSERT IGNORE INTO leases (name, holder, until) VALUES (?, ?, NOW(3) + INTERVAL ? MICROSECOND)",
        [.text(name), .text(holder), microseconds]
      ).matchedRows > 0
    }
  }

  /// Gives it up, for another to take at once. Nothing happens when it is another's by now.
  func release() async throws {
    try await pool.withConnection { connection in
      _ = try await connection.execute(
        "UPDATE leases SET until = NOW(3) WHERE name = ? AND holder = ?", [.text(name), .text(holder)])
    }
  }
}
