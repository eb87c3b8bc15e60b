import FleetProtocol
import MySQL
import ServiceRuntime

// Rows of their own values each, many in one statement.
extension CommandStore {
  /// Bytes of one statement at most, but for one row by itself: well below `max_allowed_packet` (16 MiB in MariaDB, 64 MiB in MySQL).
  private static let statementBytes = 4 * 1024 * 1024

  /// Writes what reports have made of locked rows. `outputs` is what their results gave back.
  ///
  /// `INSERT … ON DUPLICATE KEY UPDATE` of rows that are there, because they are locked: the one statement that both servers have for this that takes a
  /// text of any length.
  static func write(_ records: [CommandRecord], _ outputs: [Int64: Value], on connection: Connection) async throws {
    var start = records.startIndex
    while start < records.endIndex {
      var end = start
      var bytes = 0
      while end < records.endIndex {
        bytes += size(of: records[end], outputs)
        guard end == start || bytes <= statementBytes else { break }
        end += 1
      }
      try await connection.executeText(statement(records[start..<end], outputs, capacity: bytes))
      start = end
    }
  }

  private static func size(of record: CommandRecord, _ outputs: [Int64: Value]) -> Int {
    var bytes = 400 + (record.error?.utf8.count ?? 0)
    bytes += (record.result?.standardOutput?.utf8.count ?? 0) + (record.result?.standardError?.utf8.count ?? 0)
    if case .text(let output)? = outputs[record.row.seq] { bytes += output.utf8.count }
    return bytes
  }

  private static func statement(_ records: ArraySlice<CommandRecord>, _ outputs: [Int64: Value], capacity: Int) -> SQLText {
    var sql = SQLText(capacity: capacity + 1024)
    sql.append(
      sql: """
        INSERT INTO commands (seq, id, agent_id, command_type, status, queued_at, delivered_at, started_at, finished_at, run_until, ended_by, \
        error, output, exit_code, stdout, stderr, stdout_bytes, stderr_bytes) VALUES
        """)
    for (index, record) in records.enumerated() {
      let result = record.result
      sql.append(sql: index == 0 ? " (" : ", (")
      sql.append(list: [
        .int(record.row.seq), .text(record.row.id), .text(record.row.agentID), .text(record.row.commandType),
        .text(record.lifecycle.status.rawValue), Value(record.queuedAt), Value(record.deliveredAt), Value(record.startedAt),
        Value(record.finishedAt), Value(record.runUntil), Value(result == nil ? nil : CommandEnder.agent.rawValue),
        Value(record.error), outputs[record.row.seq] ?? .null, Value(result?.exitCode), Value(result?.standardOutput),
        Value(result?.standardError), Value(result?.standardOutputBytes), Value(result?.standardErrorBytes),
      ])
      sql.append(sql: ")")
    }
    sql.append(
      sql: """
         ON DUPLICATE KEY UPDATE status = VALUES(status), queued_at = VALUES(queued_at), delivered_at = VALUES(delivered_at), \
        started_at = VALUES(started_at), finished_at = VALUES(finished_at), run_until = VALUES(run_until), \
        ended_by = VALUES(ended_by), error = VALUES(error), output = VALUES(output), exit_code = VALUES(exit_code), stdout = VALUES(stdout), stderr = VALUES(stderr), \
        stdout_bytes = VALUES(stdout_bytes), stderr_bytes = VALUES(stderr_bytes), \
        lease_until = IF(VALUES(status) = 'pending', lease_until, NULL)
        """)
    return sql
  }
}
