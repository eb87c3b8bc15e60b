extension Pool {
  /// Attempts of a transaction at deadlocks and their like (`MySQLError.isRetryable`), the first included.
  public static let transactionAttempts = 5

  /// The server could not even begin; nothing of the transaction has run.
  private struct NotBegun: Error {
    let cause: MySQLError
  }

  /// Runs `body` in a transaction (READ COMMITTED) and commits it; whatever `body` throws rolls it back.
  ///
  /// At a deadlock, a lock wait that took too long or a row that has changed meanwhile everything is rolled back and `body` runs again, up to
  /// `transactionAttempts` times in all; so `body` must have no other effects, and must let `MySQLError` through. A connection lost during COMMIT throws
  /// kind `unknownOutcome` and is not repeated; one lost before it was rolled back by the server and is the caller's to repeat.
  public func transaction<Result>(
    isolation: isolated (any Actor)? = #isolation, _ body: (Connection) async throws -> Result
  ) async throws -> Result {
    var attemptsLeft = Self.transactionAttempts
    while true {
      attemptsLeft -= 1
      do {
        return try await withConnection { connection in try await Self.attempt(body, on: connection) }
      } catch let error as NotBegun {
        // The connection had died unnoticed. Its siblings are pinged before they are lent, so the next attempt finds out what is the matter.
        guard error.cause.isConnectionLost, attemptsLeft > 0 else { throw error.cause }
      } catch let error as MySQLError {
        guard error.isRetryable, attemptsLeft > 0 else { throw error }
        // Random, so that two that collided do not collide again.
        try await Task.sleep(for: .milliseconds(Int64.random(in: 1...(10 << (Self.transactionAttempts - attemptsLeft)))))
      }
    }
  }

  private static func attempt<Result>(
    isolation: isolated (any Actor)? = #isolation, _ body: (Connection) async throws -> Result, on connection: Connection
  ) async throws -> Result {
    do { try await connection.executeText("START TRANSACTION") } catch { throw NotBegun(cause: error) }
    // What is thrown from here on leaves the transaction open, and `withConnection` rolls it back before it passes the error on. That is needed
    // after a lock wait too, which undoes the statement only.
    let result = try await body(connection)
    do {
      try await connection.executeText("COMMIT")
    } catch {
      guard error.isConnectionLost else { throw error }
      throw MySQLError(
        kind: .unknownOutcome, code: error.code, sqlState: error.sqlState,
        message: "\(error.message); the transaction may or may not have been stored", statement: error.statement)
    }
    return result
  }
}
