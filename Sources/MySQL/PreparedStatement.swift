import CMySQL

/// A statement prepared on the server, with the one owner of its `MYSQL_STMT` handle.
///
/// Belongs to one `Connection` and its thread; must end before the session does.
final class PreparedStatement {
  private struct Handle: ~Copyable {
    let pointer: UnsafeMutablePointer<MYSQL_STMT>
    // The result is the outcome of telling the server; the memory is freed either way.
    deinit { _ = mysql_stmt_close(pointer) }
  }

  private let sql: String
  private let handle: Handle

  /// Prepares `sql`: one trip to the server.
  init(_ sql: String, on connection: UnsafeMutablePointer<MYSQL>) throws(MySQLError) {
    guard let pointer = mysql_stmt_init(connection) else {
      throw MySQLError(kind: .connectionLost, message: "out of memory", statement: shortened(sql, to: 200))
    }
    handle = Handle(pointer: pointer)
    self.sql = sql
    var text = sql
    let code = text.withUTF8 { utf8 in
      utf8.withMemoryRebound(to: CChar.self) { mysql_stmt_prepare(pointer, $0.baseAddress, UInt($0.count)) }
    }
    guard code == 0 else { throw error() }
  }

  /// Runs it with these values and fetches all it yields.
  func run(_ values: [Value]) throws(MySQLError) -> StatementOutput {
    let statement = handle.pointer
    let wanted = Int(mysql_stmt_param_count(statement))
    guard wanted == values.count else {
      throw MySQLError(
        kind: .invalidValue, message: "the statement has \(wanted) placeholders and \(values.count) values were given",
        statement: shortened(sql, to: 200))
    }
    try execute(ParameterBuffer(values, statement: sql))
    guard let metadata = mysql_stmt_result_metadata(statement) else {
      guard mysql_stmt_field_count(statement) == 0 else { throw error() }
      return StatementOutput(
        rows: [], matchedRows: Int(clamping: mysql_stmt_affected_rows(statement)), lastInsertID: mysql_stmt_insert_id(statement))
    }
    // Reads what is left of the rows, so that the next statement finds the line free; nothing to decide by its result.
    defer {
      _ = mysql_stmt_free_result(statement)
      mysql_free_result(metadata)
    }
    let columns = Columns(mysql_fetch_fields(metadata), count: Int(mysql_num_fields(metadata)))
    return StatementOutput(rows: try fetch(columns), matchedRows: 0, lastInsertID: 0)
  }

  /// The parameters are only read while the library sends them.
  private func execute(_ parameters: consuming ParameterBuffer) throws(MySQLError) {
    guard spot_mysql_stmt_bind_param(handle.pointer, parameters.binds.baseAddress) == 0, mysql_stmt_execute(handle.pointer) == 0
    else { throw error() }
  }

  private func fetch(_ columns: Columns) throws(MySQLError) -> [Row] {
    let results = ResultBuffer(columns)
    guard spot_mysql_stmt_bind_result(handle.pointer, results.binds.baseAddress) == 0 else { throw error() }
    var rows: [Row] = []
    while true {
      switch mysql_stmt_fetch(handle.pointer) {
      case 0, MYSQL_DATA_TRUNCATED:
        var values: [Value] = []
        values.reserveCapacity(columns.kinds.count)
        for index in columns.kinds.indices {
          guard let value = results.value(index, columns.kinds[index], of: handle.pointer) else { throw error() }
          values.append(value)
        }
        rows.append(Row(columns: columns, values: values))
      case MYSQL_NO_DATA: return rows
      default: throw error()
      }
    }
  }

  private func error() -> MySQLError {
    MySQLError(
      code: mysql_stmt_errno(handle.pointer), sqlState: String(cString: mysql_stmt_sqlstate(handle.pointer)),
      message: String(cString: mysql_stmt_error(handle.pointer)), statement: sql)
  }
}
