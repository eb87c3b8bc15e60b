import FleetProtocol
import MySQL
import ServiceRuntime
import Testing

@testable import Server

/// A database in which a fleet has worked for a month, and what statements on it look at.
///
/// The statements are not written down here a second time: the database logs those that a connection really sends (`mysql.slow_log`), with the rows that each
/// of them read, and is then asked how it goes about them (EXPLAIN).
struct GrownDatabase: Sendable {
  /// A statement as the database got it, values written into it.
  struct Statement: Sendable {
    let sql: String
    /// Rows that it read.
    let examined: Int

    /// The statement without its values: those of one shape are explained once.
    var shape: String {
      var isText = false
      return String(
        sql.filter { character in
          if character == "'" { isText.toggle() }
          return !isText && !character.isNumber && character != "'" && character != "," && character != " "
        })
    }
  }

  /// Rows that one statement may read, or be expected to read: of tables with some thousand, of which a test deals with a hundred or two.
  static let mostRows = 500
  static let agents = 4000
  static let commands = 10_000

  let fleet: FleetDatabase

  /// Runs a test on such a database of its own.
  static func with(_ body: (GrownDatabase) async throws -> Void) async throws {
    try await FleetDatabase.with { fleet in
      let grown = GrownDatabase(fleet: fleet)
      try await grown.fill()
      try await body(grown)
    }
  }

  private func fill() async throws {
    var patient = fleet.pool.configuration
    patient.readTimeout = .seconds(300)
    let pool = Pool(configuration: patient, size: 1)
    do {
      for statement in Self.history { _ = try await pool.withConnection { try await $0.queryText(SQLText(sql: statement)) } }
      await pool.close()
    } catch {
      await pool.close()
      throw error
    }
  }

  /// Agents by their place in the table, from 0 on: every fifth has been offline for a day, every two hundredth silent for three hours and not yet called so, every hundredth polls.
  func agents(_ places: some Collection<Int>) async throws -> [Agent] {
    let names = places.map { "'agent-\($0)'" }.joined(separator: ", ")
    let rows = try await fleet.sql("SELECT \(Agent.columns) FROM agents WHERE logical_agent_id IN (\(names)) ORDER BY agent_key")
    return try rows.map(Agent.init)
  }

  // MARK: What statements look at

  /// Expects that what `body` sends over a connection of this pool reads few rows, and that the database finds them by these keys, as `alias.key`: by all of
  /// `keys`, and besides by none but `others`, which serve as well.
  func expect(
    _ keys: Set<String>, orBy others: Set<String> = [], sourceLocation: SourceLocation = #_sourceLocation,
    _ body: (Pool) async throws -> Void
  ) async throws {
    var used: Set<String> = []
    var shapes: Set<String> = []
    for statement in try await statements(body) {
      let text = Comment(rawValue: String(statement.sql.prefix(600)))
      #expect(statement.examined <= Self.mostRows, text, sourceLocation: sourceLocation)
      guard shapes.insert(statement.shape).inserted else { continue }
      for table in try await plan(of: statement) {
        #expect(table.type != "ALL" && table.type != "index", "\(table) is read from end to end: \(text)", sourceLocation: sourceLocation)
        #expect(table.isBounded || table.rows <= Self.mostRows, "\(table): \(text)", sourceLocation: sourceLocation)
        used.insert("\(table.name).\(table.key ?? "none")")
      }
    }
    #expect(keys.subtracting(used) == [], "nothing was found by these keys", sourceLocation: sourceLocation)
    #expect(used.subtracting(keys).subtracting(others) == [], "something was found by these keys", sourceLocation: sourceLocation)
  }

  private func statements(_ body: (Pool) async throws -> Void) async throws -> [Statement] {
    // One connection, so that the log knows by its number what is ours, and has all of it when that connection reads it.
    let pool = Pool(configuration: fleet.pool.configuration, size: 1)
    do {
      try await pool.withConnection { _ = try await $0.executeText("SET SESSION long_query_time = 0") }
      try await body(pool)
      let rows = try await pool.withConnection { connection in
        try await connection.executeText("SET SESSION long_query_time = 10")
        return try await connection.query(
          "SELECT sql_text, rows_examined FROM mysql.slow_log WHERE thread_id = ?", [.int(Int64(await connection.serverID))])
      }
      await pool.close()
      return try rows.map { Statement(sql: try $0.string("sql_text"), examined: try $0.int("rows_examined")) }
    } catch {
      await pool.close()
      throw error
    }
  }

  private struct PlannedTable: CustomStringConvertible {
    let name: String
    let type: String
    let key: String?
    let rows: Int
    /// Read in the order of the key until a LIMIT is reached, of which the estimate knows nothing.
    let isBounded: Bool

    var description: String { "\(name) (\(type), key \(key ?? "none"), \(rows) rows)" }
  }

  /// How the database reads each table; empty for what reads none. What it made itself for the statement, of a document or a subquery, is left out.
  private func plan(of statement: Statement) async throws -> [PlannedTable] {
    let verb = statement.sql.prefix { !$0.isWhitespace }.uppercased()
    guard ["SELECT", "UPDATE", "DELETE"].contains(verb) else { return [] }
    return try await fleet.sql("EXPLAIN FORMAT=TRADITIONAL \(statement.sql)").compactMap { row in
      guard let name = try row.optionalString("table"), !name.hasPrefix("<") else { return nil }
      let extra = try row.optionalString("Extra") ?? ""
      if extra.contains("json_table") { return nil }
      return PlannedTable(
        name: name, type: try row.optionalString("type") ?? "none", key: try row.optionalString("key"),
        rows: try row.optionalInt("rows") ?? 0, isBounded: statement.sql.contains(" LIMIT ") && !extra.contains("filesort"))
    }
  }

  // MARK: A month of work

  private static let digits =
    "(SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 "
    + "UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)"

  /// The numbers from 0 to below `count`, in order, as a table with the column `n`: in SQL that every server has.
  private static func numbers(_ count: Int) -> String {
    """
    (SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d AS n FROM \(digits) a, \(digits) b, \(digits) c, \(digits) e HAVING n < \(count) ORDER BY n) numbers
    """
  }

  /// Keys grow with time, as they do where rows are written one after the other.
  private static let history = [
    "INSERT INTO clients (id, name, client_token) SELECT CONCAT('client-', n), 'Client', CONCAT('token-', n) FROM \(numbers(500)) ORDER BY n",
    """
    INSERT INTO agents (id, client_id, logical_agent_id, instance_id, instance_type, az, mode, status, transport, last_heartbeat_at, offline_since, \
    session_id, registration_sent_at, registered_at, generation, queue) \
    SELECT \(agentID("n")), CONCAT('client-', n % 20), CONCAT('agent-', n), CONCAT('i-', n), 'm5.large', 'eu-1a', 'spot', \
    IF(n % 5 = 0, 'offline', 'online'), IF(n % 100 = 52, 'http', 'amqp'), \
    NOW(3) - INTERVAL IF(n % 5 = 0, 86400 + n, IF(n % 200 = 1, 10800, n % 30)) SECOND, IF(n % 5 = 0, NOW(3) - INTERVAL 1 DAY, NULL), \
    'session', NOW(3) - INTERVAL 2 DAY, NOW(3) - INTERVAL 2 DAY, 1, IF(n % 100 = 52, NULL, CONCAT('agent.agent-', n, '.1')) \
    FROM \(numbers(agents)) ORDER BY n
    """,
    "INSERT INTO agent_tags (agent_key, name, agent_value) SELECT agent_key, 'role', 'worker' FROM agents",
    // The last two hundred are under way; the others have ended, every tenth of a rollout, the oldest longer ago than they are kept.
    """
    INSERT INTO commands (id, agent_id, command_type, status, created_at, expires_at, run_until, cancel_requested_at, generation, queued_at, started_at, \
    finished_at, rollout_id, ended_by) \
    SELECT CONCAT('command-', n), \(agentID("n % \(agents)")), 'ping', \
    IF(n < \(commands - 200), 'succeeded', ELT(1 + n % 4, 'pending', 'queued', 'delivered', 'running')), \
    NOW(3) - INTERVAL (\(commands) - n) * 270 SECOND, IF(n % 20 < 3, NOW(3) - INTERVAL 1 HOUR, NOW(3) + INTERVAL 1 HOUR), \
    IF(n % 4 = 3, NOW(3) + INTERVAL IF(n % 20 = 3, -60, 600) SECOND, NULL), IF(n % 20 = 10, NOW(3), NULL), \
    IF(n % 4 = 0, NULL, 1), IF(n % 4 = 0, NULL, NOW(3)), IF(n % 4 = 3, NOW(3), NULL), \
    IF(n < \(commands - 200), NOW(3) - INTERVAL (\(commands - 200) - n) * 270 SECOND, NULL), \
    IF(n % 10 = 0, CONCAT('rollout-', n % 100 DIV 10), NULL), IF(n < \(commands - 200), 'agent', NULL) FROM \(numbers(commands)) ORDER BY n
    """,
    """
    INSERT INTO fleet_events (id, time, type, client_id, subject, data, published_at) \
    SELECT UUID(), NOW(3) - INTERVAL (10000 - n) * 61 SECOND, 'command.succeeded', 'client-1', CONCAT('command-', n), '{}', \
    IF(n < 9980, NOW(3) - INTERVAL (10000 - n) * 61 SECOND, NULL) FROM \(numbers(10_000)) ORDER BY n
    """,
    """
    INSERT INTO system_events (timestamp, event_type, client_id, message) \
    SELECT NOW(3) - INTERVAL (10000 - n) * 262 SECOND, ELT(1 + n % 3, 'auth_failed', 'agent_offline', 'spot_rebalance'), 'client-1', 'm' \
    FROM \(numbers(10_000)) ORDER BY n
    """,
    """
    INSERT INTO agent_notices (agent_key, kind, time, received_at) \
    SELECT n + 1, 'rebalance', NOW(3) - INTERVAL (3000 - n) * 873 SECOND, NOW(3) - INTERVAL (3000 - n) * 873 SECOND FROM \(numbers(3000)) ORDER BY n
    """,
    """
    INSERT INTO reactions (id, name, event_type, target, command_type, parameters, is_enabled) \
    SELECT CONCAT('reaction-', n), CONCAT('reaction-', n), 'agent.rebalance', 'all', 'ping', '{}', 0 FROM \(numbers(500)) ORDER BY n
    """,
    """
    INSERT INTO reaction_runs (reaction_id, time, event_id, agent_id) \
    SELECT CONCAT('reaction-', n % 500), NOW(3) - INTERVAL (3000 - n) * 204 SECOND, 'event', 'agent' FROM \(numbers(3000)) ORDER BY n
    """,
    // Those with a number below ten have commands; the oldest ended longer ago than they are kept.
    """
    INSERT INTO rollouts (id, state, command_type, target, concurrency, max_errors, priority, timeout_seconds, deliver_within_seconds, lifetime_seconds, \
    finished_at, created_at) SELECT CONCAT('rollout-', n), IF(n = 9, 'running', 'completed'), 'ping', 'all', '1', '0', 25, 60, 60, 60, \
    IF(n = 9, NULL, NOW(3) - INTERVAL n * 5260 SECOND), NOW(3) - INTERVAL 40 DAY FROM \(numbers(500)) ORDER BY n
    """,
    """
    INSERT INTO rollout_targets (rollout_id, agent_key, place, agent_id, client_id, logical_agent_id) \
    SELECT CONCAT('rollout-', n % 500), n + 1, n, \(agentID("n")), CONCAT('client-', n % 20), CONCAT('agent-', n) FROM \(numbers(agents)) ORDER BY n
    """,
    "INSERT INTO leases (name, holder) SELECT CONCAT('lease-', n), 'holder' FROM \(numbers(10)) ORDER BY n",
    """
    ANALYZE TABLE clients, agents, agent_tags, commands, fleet_events, system_events, agent_notices, reactions, reaction_runs, rollouts, rollout_targets, leases
    """,
  ]

  private static func agentID(_ number: String) -> String { "CONCAT('00000000-0000-4000-8000-', LPAD(\(number), 12, '0'))" }
}
