import MySQL
import ServiceRuntime
import TestSupport
import Testing

@Suite struct TransactionTests {
  private struct Refused: Error {}
  private static let accounts: [SQLText] = [
    "CREATE TABLE accounts (id INT PRIMARY KEY, number INT NOT NULL)", "INSERT INTO accounts VALUES (1, 0), (2, 0)",
  ]

  private func numbers(_ pool: Pool) async throws -> [Int] {
    try await pool.withConnection { try await $0.query("SELECT number FROM accounts ORDER BY id") }.map { try $0.int("number") }
  }

  @Test func whatTheBodyDoesIsStoredTogetherOrNotAtAll() async throws {
    try await withFreshPool(size: 1, tables: Self.accounts) { pool in
      await #expect(throws: Refused.self) {
        try await pool.transaction { connection in
          try await connection.execute("UPDATE accounts SET number = 5")
          throw Refused()
        }
      }
      #expect(try await numbers(pool) == [0, 0])
      let isolation = try await pool.transaction { connection in
        try await connection.execute("UPDATE accounts SET number = 5")
        return try await connection.queryText("SHOW VARIABLES WHERE Variable_name IN ('tx_isolation', 'transaction_isolation')").first?
          .string("Value")
      }
      #expect(isolation == "READ-COMMITTED")
      #expect(try await numbers(pool) == [5, 5])
    }
  }

  @Test func aDeadlockIsRolledBackAndRetried() async throws {
    try await withFreshPool(size: 2, tables: Self.accounts) { pool in
      // How many have locked their first row; both must have, before either goes for its second.
      let holding = Lock(0)
      let attempts = Lock(0)
      try await withThrowingTaskGroup(of: Void.self) { group in
        for (first, second) in [(1, 2), (2, 1)] as [(Value, Value)] {
          group.addTask {
            try await pool.transaction { connection in
              attempts.withLock { $0 += 1 }
              try await connection.execute("UPDATE accounts SET number = number + 1 WHERE id = ?", [first])
              holding.withLock { $0 += 1 }
              try await eventually("both hold a row") { holding.withLock { $0 >= 2 } }
              try await connection.execute("UPDATE accounts SET number = number + 1 WHERE id = ?", [second])
            }
          }
        }
        try await group.waitForAll()
      }
      #expect(attempts.withLock { $0 } >= 3)
      #expect(try await numbers(pool) == [2, 2])
    }
  }

  @Test func aLockWaitThatTookTooLongIsRolledBackWhollyAndRetried() async throws {
    try await withFreshPool(size: 2, configure: { $0.lockWaitTimeout = .seconds(1) }, tables: Self.accounts) { pool in
      let attempts = Lock(0)
      try await pool.withConnection { holder in
        try await holder.executeText("START TRANSACTION")
        try await holder.executeText("UPDATE accounts SET number = 9 WHERE id = 2")
        try await pool.transaction { connection in
          let attempt = attempts.withLock { count in
            count += 1
            return count
          }
          if attempt == 2 { try await holder.executeText("ROLLBACK") }
          try await connection.execute("UPDATE accounts SET number = number + 1 WHERE id = 1")
          try await connection.execute("UPDATE accounts SET number = number + 1 WHERE id = 2")
        }
      }
      #expect(attempts.withLock { $0 } == 2)
      #expect(try await numbers(pool) == [1, 1])
    }
  }

  @Test(arguments: [1213, 1020]) func retriesHaveAnEnd(code: Int) async throws {
    try await withFreshPool(size: 1) { pool in
      let attempts = Lock(0)
      let error = try await mysqlError {
        try await pool.transaction { connection in
          attempts.withLock { $0 += 1 }
          let signal = "SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = \(code), MESSAGE_TEXT = 'made up'"
          _ = try await connection.executeText(SQLText(sql: signal))
        }
      }
      #expect(error.isRetryable)
      #expect(attempts.withLock { $0 } == Pool.transactionAttempts)
    }
  }

  @Test func aConnectionThatDiedIdleDoesNotSpoilATransaction() async throws {
    try await withFreshPool(size: 1, tables: Self.accounts) { pool in
      let id = try await pool.withConnection { await $0.serverID }
      let killer = try await Connection.open(pool.configuration)
      try await killer.executeText(SQLText(sql: "KILL CONNECTION \(id)"))
      await killer.close()
      try await pool.transaction { _ = try await $0.execute("UPDATE accounts SET number = 7") }
      #expect(try await numbers(pool) == [7, 7])
    }
  }

  @Test func aConnectionLostInTheBodyIsTheCallersError() async throws {
    try await withFreshPool(size: 2, tables: Self.accounts) { pool in
      let attempts = Lock(0)
      let error = try await mysqlError {
        try await pool.transaction { connection in
          attempts.withLock { $0 += 1 }
          try await connection.execute("UPDATE accounts SET number = 7")
          let id = await connection.serverID
          try await pool.withConnection { _ = try await $0.executeText(SQLText(sql: "KILL CONNECTION \(id)")) }
          try await connection.execute("UPDATE accounts SET number = 8")
        }
      }
      #expect(error.kind == .connectionLost)
      #expect(attempts.withLock { $0 } == 1)
      #expect(try await numbers(pool) == [0, 0])
    }
  }

  @Test func aConnectionLostDuringCommitIsAnUnknownOutcomeAndNotRepeated() async throws {
    try await withFreshPool(size: 1, tables: Self.accounts) { direct in
      // The proxy lets COMMIT through to the server and cuts the line before the answer.
      let proxy = try CuttingProxy(to: Int(direct.configuration.port), cutAfter: "COMMIT")
      var configuration = direct.configuration
      configuration.port = UInt16(proxy.port)
      let pool = Pool(configuration: configuration, size: 1)
      let attempts = Lock(0)
      let error = try await mysqlError {
        try await pool.transaction { connection in
          attempts.withLock { $0 += 1 }
          try await connection.execute("UPDATE accounts SET number = number + 1")
        }
      }
      #expect(error.kind == .unknownOutcome)
      #expect(error.code == 2013)
      #expect(error.message.contains("may or may not"))
      #expect(attempts.withLock { $0 } == 1)
      try await eventually("the server has committed what the client never heard of") { try await numbers(direct) == [1, 1] }
      await pool.close()
      proxy.stop()
    }
  }
}
