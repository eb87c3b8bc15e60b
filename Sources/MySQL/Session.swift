import CMySQL
import Glibc
import ServiceRuntime

/// The one owner of a `MYSQL` handle: `mysql_close` runs once, when this value ends.
///
/// Not thread-safe, as the handle is not; a `Connection` keeps it on its thread.
struct Session: ~Copyable {
  private let handle: UnsafeMutablePointer<MYSQL>

  /// What both servers know of strictness, said outright so that a server's own default cannot change what a statement does. It must
  /// not have NO_BACKSLASH_ESCAPES or ANSI_QUOTES: `SQLText` escapes with backslashes.
  private static let sqlMode =
    "STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ZERO_DATE,NO_ZERO_IN_DATE,ONLY_FULL_GROUP_BY,NO_ENGINE_SUBSTITUTION"

  /// Connects and logs in; blocks for up to `connectTimeout` a step. The session settings are the caller's next statements.
  static func open(_ configuration: DatabaseConfiguration) throws(MySQLError) -> Session {
    guard let handle = mysql_init(nil) else { throw MySQLError(kind: .connect, message: "out of memory") }
    let session = Session(handle: handle)
    try session.connect(configuration)
    return session
  }

  private init(handle: UnsafeMutablePointer<MYSQL>) { self.handle = handle }

  private func connect(_ configuration: DatabaseConfiguration) throws(MySQLError) {
    var failed: Int32 = 0
    let handle = handle
    func set(_ option: mysql_option, _ value: UInt32) {
      withUnsafePointer(to: value) { failed |= mysql_options(handle, option, $0) }
    }
    set(MYSQL_OPT_CONNECT_TIMEOUT, configuration.connectTimeout.wholeSeconds)
    set(MYSQL_OPT_READ_TIMEOUT, configuration.readTimeout.wholeSeconds)
    set(MYSQL_OPT_WRITE_TIMEOUT, configuration.writeTimeout.wholeSeconds)
    set(MYSQL_OPT_LOCAL_INFILE, 0)
    // `localhost` would mean a Unix socket, whatever the port.
    set(MYSQL_OPT_PROTOCOL, MYSQL_PROTOCOL_TCP.rawValue)
    failed |= mysql_options(handle, MYSQL_SET_CHARSET_NAME, "utf8mb4")
    failed |= spot_mysql_disable_reconnect(handle)
    switch configuration.tls {
    case .disabled: failed |= spot_mysql_disable_tls(handle)
    case .required(let caFile): failed |= spot_mysql_require_tls(handle, caFile)
    }
    guard failed == 0 else { throw MySQLError(kind: .connect, message: "the client library refuses an option") }

    // Without CLIENT_MULTI_STATEMENTS a second statement behind a semicolon is a syntax error.
    guard
      mysql_real_connect(
        handle, configuration.host, configuration.user, configuration.password, configuration.database, UInt32(configuration.port), nil,
        UInt(CLIENT_FOUND_ROWS)) != nil
    else {
      throw MySQLError(
        kind: .connect, code: mysql_errno(handle), sqlState: String(cString: mysql_sqlstate(handle)),
        message: "cannot connect to \(configuration): \(Self.connectMessage(String(cString: mysql_error(handle))))")
    }
    if case .required = configuration.tls, mysql_get_ssl_cipher(handle) == nil {
      throw MySQLError(
        kind: .connect,
        message: "\(configuration) does not encrypt, and TLS is required; give the server a certificate or do not require TLS")
    }
  }

  /// MariaDB's connector connects without blocking and then reports `errno` of that call, EINPROGRESS, whatever the reason was: only a
  /// time-out has a number of its own. [mariadb-connector-c 3.3, `pvio_socket_connect_sync_or_async`]
  private static func connectMessage(_ message: String) -> String {
    let suffix = " (\(EINPROGRESS))"
    guard message.hasSuffix(suffix) else { return message }
    return message.dropLast(suffix.count) + ": refused or unreachable; is the server running and listening on this port?"
  }

  /// The session settings, as statements to run right after the login.
  static func settings(_ configuration: DatabaseConfiguration) -> [SQLText] {
    let seconds = Int(configuration.lockWaitTimeout.wholeSeconds)
    var variables: SQLText = "SET autocommit = 1, time_zone = '+00:00', sql_mode = "
    variables.append(.text(sqlMode))
    variables.append(sql: ", innodb_lock_wait_timeout = ")
    variables.append(.int(Int64(seconds)))
    variables.append(sql: ", lock_wait_timeout = ")
    variables.append(.int(Int64(seconds)))
    return [variables, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"]
  }

  /// The server counts a transaction as open.
  var isInTransaction: Bool { spot_mysql_in_transaction(handle) != 0 }

  /// The number by which the server knows the connection.
  var serverID: UInt { mysql_thread_id(handle) }

  /// Prepares a statement on the server; it must end before this session does.
  func prepare(_ sql: String) throws(MySQLError) -> PreparedStatement { try PreparedStatement(sql, on: handle) }

  /// Runs a statement over the text protocol and fetches all it yields.
  func run(_ sql: SQLText) throws(MySQLError) -> StatementOutput {
    let shape = sql.shape
    if let problem = sql.problem { throw MySQLError(kind: .invalidValue, message: problem, statement: shape) }
    let code = sql.bytes.withUnsafeBytes {
      mysql_real_query(handle, $0.bindMemory(to: CChar.self).baseAddress, UInt($0.count))
    }
    guard code == 0 else { throw error(shape) }
    guard let result = mysql_use_result(handle) else {
      guard mysql_field_count(handle) == 0 else { throw error(shape) }
      return StatementOutput(rows: [], matchedRows: Int(clamping: mysql_affected_rows(handle)), lastInsertID: mysql_insert_id(handle))
    }
    // Also reads what is left of the rows, so that the next statement finds the line free.
    defer { mysql_free_result(result) }
    let columns = Columns(mysql_fetch_fields(result), count: Int(mysql_num_fields(result)))
    var rows: [Row] = []
    while let row = mysql_fetch_row(result) {
      guard let lengths = mysql_fetch_lengths(result) else { throw error(shape) }
      rows.append(
        Row(
          columns: columns,
          values: columns.kinds.enumerated().map { index, kind in
            row[index].map { kind.value(UnsafeRawBufferPointer(start: $0, count: Int(lengths[index]))) } ?? .null
          }))
    }
    // A row that does not come and an end of rows look alike but for the number.
    guard mysql_errno(handle) == 0 else { throw error(shape) }
    return StatementOutput(rows: rows, matchedRows: 0, lastInsertID: 0)
  }

  private func error(_ statement: String) -> MySQLError {
    MySQLError(
      code: mysql_errno(handle), sqlState: String(cString: mysql_sqlstate(handle)), message: String(cString: mysql_error(handle)),
      statement: statement)
  }

  deinit { mysql_close(handle) }
}

/// All that a statement yields.
struct StatementOutput: Sendable {
  let rows: [Row]
  let matchedRows: Int
  let lastInsertID: UInt64
}
