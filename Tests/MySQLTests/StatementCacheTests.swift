import Testing

@testable import MySQL

@Suite struct StatementCacheTests {
  @Test func theLeastRecentlyUsedStatementGoesFirst() {
    var cache = StatementCache<Int>(capacity: 2)
    cache.insert(1, for: "one")
    cache.insert(2, for: "two")
    #expect(cache.statement(for: "one") == 1)
    cache.insert(3, for: "three")
    #expect(cache.statement(for: "two") == nil)
    #expect(cache.statement(for: "one") == 1)
    #expect(cache.statement(for: "three") == 3)
    cache.insert(4, for: "three")
    #expect(cache.count == 2)
    #expect(cache.statement(for: "three") == 4)
  }

  @Test func aConnectionKeepsABoundedNumberOfStatementsOnTheServer() async throws {
    try await withFreshConnection { connection in
      for number in 0..<(Connection.statementCapacity * 3) { _ = try await connection.query("SELECT \(number) AS n") }
      let row = try #require(try await connection.queryText("SHOW SESSION STATUS LIKE 'Com_stmt_close'").first)
      #expect(try row.int("Value") >= Connection.statementCapacity * 2)
      for _ in 0..<10 { _ = try await connection.query("SELECT 0 AS n") }
      let prepared = try #require(try await connection.queryText("SHOW SESSION STATUS LIKE 'Com_stmt_prepare'").first)
      #expect(try prepared.int("Value") == Connection.statementCapacity * 3 + 1)
    }
  }

  @Test func aStatementThatTheServerWantsPreparedAgainIsPreparedAgain() async throws {
    // The trigger gives the server's answer for such a statement (1615) once.
    let trigger: SQLText = """
      CREATE TRIGGER refuse_once BEFORE INSERT ON stubborn FOR EACH ROW
      IF @refuse = 1 THEN SET @refuse = 0; SIGNAL SQLSTATE 'HY000' SET MYSQL_ERRNO = 1615, MESSAGE_TEXT = 'again'; END IF
      """
    try await withFreshConnection("CREATE TABLE stubborn (n INT)", trigger) { connection in
      let insert = "INSERT INTO stubborn VALUES (?)"
      try await connection.execute(insert, [1])
      try await connection.executeText("SET @refuse = 1")
      try await connection.execute(insert, [2])
      let rows = try await connection.query("SELECT n FROM stubborn ORDER BY n")
      #expect(try rows.map { try $0.int("n") } == [1, 2])
      let prepared = try #require(try await connection.queryText("SHOW SESSION STATUS LIKE 'Com_stmt_prepare'").first)
      #expect(try prepared.int("Value") == 3)
    }
  }
}
