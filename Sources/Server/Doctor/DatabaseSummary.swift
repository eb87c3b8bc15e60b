import MySQL
import ServiceRuntime

/// What is in the database, in counts, for whoever helps from afar.
struct DatabaseSummary: Sendable {
  /// A heading and rows for each question.
  let text: String
  /// The clients' tokens: not to be shown, but to be taken out of every other text, should one have got into a log.
  let tokens: [String]

  /// Asks the database; why it cannot be asked is the text then.
  init(_ configuration: DatabaseConfiguration?) async {
    guard var configuration else {
      text = "the variables cannot be used\n"
      tokens = []
      return
    }
    configuration.connectTimeout = Doctor.connectLimit
    let connection: Connection
    do throws(MySQLError) {
      connection = try await Connection.open(configuration)
    } catch {
      text = "\(error)\n"
      tokens = []
      return
    }
    var text = ""
    for (title, sql) in Self.questions { text += "== \(title)\n" + (await Self.answer(sql, on: connection)) + "\n" }
    self.text = text
    // An older schema has none; then there is nothing to take out.
    tokens = (try? await connection.query("SELECT client_token FROM clients LIMIT 100000").map { try $0.string("client_token") }) ?? []
    await connection.close()
  }

  private static let questions: [(title: String, sql: SQLText)] = [
    ("version", "SELECT VERSION() AS version, NOW(3) AS now, @@system_time_zone AS zone"),
    ("schema", "SELECT version, name, statements_done, applied_at FROM schema_migrations ORDER BY version"),
    ("clients", "SELECT is_active, COUNT(*) AS clients FROM clients GROUP BY is_active"),
    (
      "agents",
      """
      SELECT status, transport, COUNT(*) AS agents, MIN(last_heartbeat_at) AS oldest, MAX(last_heartbeat_at) AS newest FROM agents \
      GROUP BY status, transport
      """
    ),
    ("commands", "SELECT status, COUNT(*) AS commands, MIN(created_at) AS oldest, MAX(created_at) AS newest FROM commands GROUP BY status"),
    ("rollouts", "SELECT state, COUNT(*) AS rollouts FROM rollouts GROUP BY state"),
    ("events that wait", "SELECT COUNT(*) AS waiting, MIN(time) AS oldest FROM fleet_events WHERE published_at IS NULL"),
    ("leases", "SELECT name, holder, until FROM leases"),
    (
      "auth failures of the last day",
      """
      SELECT timestamp, source, message FROM system_events WHERE event_type = 'auth_failed' AND timestamp > NOW(3) - INTERVAL 1 DAY \
      ORDER BY timestamp DESC LIMIT 200
      """
    ),
    (
      "sizes",
      """
      SELECT table_name AS name, table_rows AS about_rows, data_length + index_length AS bytes FROM information_schema.tables \
      WHERE table_schema = DATABASE()
      """
    ),
    (
      "variables",
      """
      SHOW GLOBAL VARIABLES WHERE Variable_name IN ('max_connections', 'wait_timeout', 'innodb_buffer_pool_size', \
      'innodb_flush_log_at_trx_commit', 'sync_binlog', 'max_allowed_packet', 'innodb_lock_wait_timeout', 'transaction_isolation', \
      'sql_mode', 'time_zone')
      """
    ),
    (
      "state",
      """
      SHOW GLOBAL STATUS WHERE Variable_name IN ('Uptime', 'Threads_connected', 'Threads_running', 'Max_used_connections', \
      'Slow_queries', 'Aborted_connects')
      """
    ),
  ]

  private static func answer(_ sql: SQLText, on connection: Connection) async -> String {
    do throws(MySQLError) {
      return try await connection.queryText(sql).map { row in
        zip(row.columnNames, row.values).map { "\($0)=\(shown($1))" }.joined(separator: "  ") + "\n"
      }.joined()
    } catch {
      return "\(error)\n"
    }
  }

  private static func shown(_ value: Value) -> String {
    switch value {
    case .null: "NULL"
    case .int(let number): String(number)
    case .double(let number): String(number)
    case .text(let text): printable(text)
    case .bytes(let bytes): "(\(bytes.count) bytes)"
    case .timestamp(let moment): moment.sqlText
    }
  }
}
