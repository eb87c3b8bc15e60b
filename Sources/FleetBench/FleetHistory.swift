import FleetProtocol
import MySQL
import Server
import ServiceRuntime

/// The past of a fleet, in rows: commands that its agents have carried out, and system events about them, each agent in turn.
///
/// Commands ended between 31 and 60 days ago, so that a server removes them or not by its `SPOT_OPTIMIZER_RETENTION_DAYS`; the events are of the last 29 days. SQL that
/// MariaDB and MySQL share.
struct FleetHistory: Sendable {
  private static let rowsAtOnce = 10_000
  private static let span = 29 * 86_400
  /// How long the database is given to write to its disk what was filled in.
  private static let settling = Duration.seconds(60)

  let fleet: BenchFleet
  /// The agents' ids in the order in which their index has them: rows that come in another order take many times as long.
  private let ids: [String]
  /// Seconds in which every agent has one command and one event.
  private let secondsOfRound: Int

  /// A past of `largest` rows in each table in the end.
  init(_ fleet: BenchFleet, largest: Int) {
    self.fleet = fleet
    ids = fleet.members.map(\.id).sorted()
    secondsOfRound = Self.span / max(1, (largest + max(1, ids.count) - 1) / max(1, ids.count))
  }

  /// Writes the rows from number `start` to below `end`, oldest first.
  func fill(from start: Int, to end: Int) async throws {
    var next = start
    while next < end, !ids.isEmpty {
      try Task.checkCancellation()
      let (round, place) = next.quotientAndRemainder(dividingBy: ids.count)
      let chunk = ids[place..<min(ids.count, place + min(Self.rowsAtOnce, end - next))]
      try await insert(chunk, round)
      next += chunk.count
    }
  }

  private func insert(_ chunk: ArraySlice<String>, _ round: Int) async throws {
    guard let first = chunk.first, let last = chunk.last else { return }
    // Ids are random, so that their first digits spread the rows of a round evenly over its time, in their own order.
    let rows = """
      (SELECT id, client_id, logical_agent_id, NOW(3) - INTERVAL ? SECOND + INTERVAL FLOOR(? * CONV(LEFT(id, 4), 16, 10) / 65536) SECOND AS time \
      FROM agents WHERE id BETWEEN ? AND ? AND client_id = ?) past ORDER BY id
      """
    let age = Self.span - round * secondsOfRound
    let values: [Value] = [.int(Int64(secondsOfRound)), .text(first), .text(last), .text(fleet.clientID)]
    let digits = String(round, radix: 16)
    let suffix = String(repeating: "0", count: max(0, 5 - digits.count)) + digits
    try await fleet.pool.transaction { connection in
      try await connection.execute(
        """
        INSERT INTO commands (id, agent_id, command_type, parameters, status, created_at, attempts, generation, queued_at, delivered_at, started_at, \
        finished_at, ended_by, output) SELECT CONCAT(LEFT(id, 31), ?), id, 'ping', '{}', 'succeeded', time, 1, 1, time, time, time, \
        time + INTERVAL 1 SECOND, 'agent', '{"pong":true}' FROM \(rows)
        """, [.text(suffix), .int(Int64(age + 31 * 86_400))] + values)
      try await connection.execute(
        """
        INSERT INTO system_events (timestamp, event_type, severity, client_id, agent_id, source, message) \
        SELECT time, 'agent_offline', 'warning', client_id, id, logical_agent_id, CONCAT('Agent ', id, ' is offline') FROM \(rows)
        """, [.int(Int64(age))] + values)
    }
  }

  // MARK: Before and after

  /// Brings the schema to this version, and throws when there are agents or commands: sizes would be others than they are called.
  static func requireEmptyTables(_ pool: Pool) async throws {
    _ = try await Migrator(pool).migrate(Schema.migrations)
    for table in ["agents", "commands"] {
      let rows = try await pool.withConnection { try await $0.query("SELECT 1 AS n FROM \(table) LIMIT 1") }
      guard rows.isEmpty else {
        throw BenchError("the table \(table) has rows: give it a database of its own (broker/local --state FOLDER start, or DB_NAME)")
      }
    }
  }

  /// Lets the database count afresh what it plans by, and waits for as long as it is busy with writing to its disk what it holds in memory.
  func settle() async throws {
    _ = try await fleet.pool.withConnection { try await $0.queryText("ANALYZE TABLE agents, commands, system_events") }
    let deadline = ContinuousClock.now + Self.settling
    var left = Int.max
    while ContinuousClock.now < deadline {
      let rows = try await fleet.pool.withConnection { connection in
        try await connection.queryText("SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_dirty'")
      }
      guard let dirty = try rows.first?.int("Value"), dirty < left else { return }
      left = dirty
      try await Task.sleep(for: .seconds(1))
    }
  }

  /// How many commands there are.
  static func countCommands(_ pool: Pool) async throws -> Int {
    let rows = try await pool.withConnection { try await $0.query("SELECT COUNT(*) AS n FROM commands") }
    return try rows.first?.int("n") ?? 0
  }

  /// Takes the past away, all commands (there were none before) and the client's events; what cannot be taken away is said.
  static func remove(of fleet: BenchFleet) async {
    do {
      try await fleet.pool.withConnection { connection in
        _ = try await connection.executeText("TRUNCATE TABLE commands")
        guard let row = try await connection.query("SELECT MIN(id) AS first, MAX(id) AS last FROM system_events").first,
          let first = try row.optionalInt("first"), let last = try row.optionalInt("last")
        else { return }
        for start in stride(from: first, through: last, by: rowsAtOnce) {
          try await connection.execute(
            "DELETE FROM system_events WHERE id BETWEEN ? AND ? AND client_id = ?",
            [.int(Int64(start)), .int(Int64(start + rowsAtOnce - 1)), .text(fleet.clientID)])
        }
      }
    } catch {
      say("the past of the client \(fleet.clientID) could not be taken out of the database: \(error)")
    }
  }
}
