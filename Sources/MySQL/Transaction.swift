import CMySQL

/// The server could not even begin; nothing of the transaction has run.
struct TransactionNotBegun: Error {
  let cause: MySQLError
}

extension Connection {
  /// One attempt: begin, `body`, commit; rolled back when anything is thrown.
  ///
  /// Throws `TransactionNotBegun` before `body` runs, afterwards what `body` throws or `MySQLError`, kind `unknownOutcome` for a connection
  /// lost during COMMIT.
  func transaction<Result: Sendable>(_ body: @Sendable (Connection) async throws -> Result) async throws -> Result {
    do { try executeText("START TRANSACTION") } catch { throw TransactionNotBegun(cause: error) }
    let result: Result
    do {
      result = try await body(self)
    } catch {
      // Needed after a lock wait too: it undoes the statement only. Fails only with the connection, and then the server rolls back.
      _ = recycle()
      throw error
    }
    do {
      try executeText("COMMIT")
      return result
    } catch {
      guard error.isConnectionLost else {
        _ = recycle()
        throw error
      }
      throw MySQLError(
        kind: .unknownOutcome, code: error.code, sqlState: error.sqlState,
        message: "\(error.message); the transaction may or may not have been stored", statement: error.statement)
    }
  }
}
