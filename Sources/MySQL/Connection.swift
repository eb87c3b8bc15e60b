import CMySQL
import ServiceRuntime
import Synchronization

/// One connection to the database, an actor on a thread of its own: the client library blocks, and its handle is for one thread.
///
/// Every method blocks that thread and no other. A statement that is running is not stopped by cancellation; `readTimeout` bounds it.
/// Dates are UTC, the character set is utf8mb4, the SQL mode strict, the isolation READ COMMITTED, whatever the server's defaults are.
public actor Connection {
  /// Prepared statements kept a connection.
  static let statementCapacity = 64
  private static let count = Atomic<Int>(0)

  private let configuration: DatabaseConfiguration
  private let executor: ThreadExecutor
  private var statements = StatementCache<PreparedStatement>(capacity: Connection.statementCapacity)
  private var session: Session?
  private var isBroken = false

  /// The connection's own thread.
  public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

  private init(_ configuration: DatabaseConfiguration) {
    self.configuration = configuration
    executor = ThreadExecutor(name: "mysql-\(Self.count.add(1, ordering: .relaxed).newValue)")
  }

  /// Connects, logs in and sets the session up. Throws kind `connect`; holds no resource after that.
  public static func open(_ configuration: DatabaseConfiguration) async throws(MySQLError) -> Connection {
    try Library.start()
    let connection = Connection(configuration)
    try await connection.connect()
    return connection
  }

  private func connect() throws(MySQLError) {
    // Its result tells of a lack of memory only, which `mysql_init` reports too.
    _ = mysql_thread_init()
    session = try Session.open(configuration)
    do {
      for setting in Session.settings(configuration) { _ = try run(setting) }
    } catch {
      close()
      throw MySQLError(
        kind: .connect, code: error.code, sqlState: error.sqlState,
        message: "\(configuration) refuses a session setting: \(error.message)", statement: error.statement)
    }
  }

  /// Whether statements can still be run: neither closed nor lost.
  public var isUsable: Bool { session != nil && !isBroken }

  /// The number by which the server knows the connection (`KILL`, `performance_schema`); 0 when it is closed.
  public var serverID: UInt { session?.serverID ?? 0 }

  /// Runs a prepared statement that yields rows. `?` stands for a value.
  public func query(_ sql: String, _ values: [Value] = []) throws(MySQLError) -> [Row] {
    try run(sql, values).rows
  }

  /// Runs a prepared statement that yields no rows. `?` stands for a value.
  @discardableResult
  public func execute(_ sql: String, _ values: [Value] = []) throws(MySQLError) -> ExecutionResult {
    let output = try run(sql, values)
    return ExecutionResult(matchedRows: output.matchedRows, lastInsertID: output.lastInsertID)
  }

  /// Runs a statement over the text protocol, its values written into it: large ones, and those that cannot be prepared.
  @discardableResult
  public func executeText(_ sql: SQLText) throws(MySQLError) -> ExecutionResult {
    let output = try run(sql)
    return ExecutionResult(matchedRows: output.matchedRows, lastInsertID: output.lastInsertID)
  }

  /// Runs a statement over the text protocol that yields rows.
  public func queryText(_ sql: SQLText) throws(MySQLError) -> [Row] { try run(sql).rows }

  /// Asks the server for a sign of life.
  public func ping() throws(MySQLError) { _ = try run("DO 1") }

  /// Makes it fit for the next borrower: an open transaction is rolled back. `false` when the connection must be thrown away.
  func recycle() -> Bool {
    guard let inTransaction = session?.isInTransaction, !isBroken else { return false }
    guard inTransaction else { return true }
    do {
      _ = try run("ROLLBACK")
      return true
    } catch {
      // Whatever the reason, a connection whose transaction cannot be ended is of no use to anybody.
      return false
    }
  }

  /// Says goodbye to the server and frees the handle. Idempotent; statements after it throw kind `closed`.
  public func close() {
    statements.removeAll()
    session = nil
  }

  isolated deinit {
    close()
    mysql_thread_end()
    executor.stop()
  }

  private func run(_ sql: SQLText) throws(MySQLError) -> StatementOutput {
    let started = ContinuousClock.now
    do throws(MySQLError) {
      if let output = try session?.run(sql) { return output }
    } catch {
      throw examined(error, started)
    }
    throw closedError(sql.shape)
  }

  private func run(_ sql: String, _ values: [Value]) throws(MySQLError) -> StatementOutput {
    let started = ContinuousClock.now
    var mayRepeat = true
    while true {
      do throws(MySQLError) {
        return try prepared(sql).run(values)
      } catch {
        guard error.needsReprepare, mayRepeat else { throw examined(error, started) }
        mayRepeat = false
        statements.remove(sql)
      }
    }
  }

  private func prepared(_ sql: String) throws(MySQLError) -> PreparedStatement {
    if let statement = statements.statement(for: sql) { return statement }
    guard let statement = try session?.prepare(sql) else { throw closedError(sql) }
    statements.insert(statement, for: sql)
    return statement
  }

  private func closedError(_ statement: String) -> MySQLError {
    MySQLError(kind: .closed, message: "the connection was closed by this program", statement: shortened(statement, to: 200))
  }

  /// Notes that the connection is lost, and says so when it was the read time-out that ended it: the library does not.
  private func examined(_ error: MySQLError, _ started: ContinuousClock.Instant) -> MySQLError {
    guard error.isConnectionLost else { return error }
    isBroken = true
    guard ContinuousClock.now - started >= configuration.readTimeout else { return error }
    return MySQLError(
      kind: .connectionLost, code: error.code, sqlState: error.sqlState,
      message: "\(error.message); no answer within the read time-out of \(configuration.readTimeout.wholeSeconds)s",
      statement: error.statement)
  }
}
