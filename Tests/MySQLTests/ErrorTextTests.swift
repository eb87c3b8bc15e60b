import Testing

@testable import MySQL

@Suite struct ErrorTextTests {
  @Test(arguments: [
    (1062, "Duplicate entry 's'ecret' for key 'token'", "Duplicate entry '…' for key 'token'"),
    (
      1366, "Incorrect integer value: 'secret' for column `d`.`t`.`c` at row 1",
      "Incorrect integer value: '…' for column `d`.`t`.`c` at row 1"
    ),
    (1292, "Truncated incorrect DOUBLE value: 'se'cret'", "Truncated incorrect DOUBLE value: '…'"),
    (1064, "near 'x' = 'secret'' at line 1", "near '…' at line 1"),
    (1146, "Table 'd.t' doesn't exist", "Table 'd.t' doesn't exist"),
    (1062, "Duplicate", "Duplicate"),
    (1062, "Duplicate entry 'cut of", "Duplicate entry '…"),
  ])
  func aValueThatTheServerQuotesIsCutOut(code: Int, message: String, shown: String) {
    #expect(withoutQuotedValues(message, code: UInt32(code)) == shown)
  }

  @Test func anErrorOfTheServerNamesNumberStateAndStatementButNoValue() async throws {
    try await withFreshConnection("CREATE TABLE tokens (token VARCHAR(50) PRIMARY KEY, number INT)") { connection in
      let insert = "INSERT INTO tokens VALUES (?, ?)"
      try await connection.execute(insert, ["very-secret", 1])
      let duplicate = try await mysqlError { try await connection.execute(insert, ["very-secret", 1]) }
      #expect(duplicate.isDuplicateKey)
      #expect(duplicate.code == 1062)
      #expect(duplicate.sqlState == "23000")
      #expect(duplicate.description.contains("INSERT INTO tokens VALUES (?, ?)"))
      let wrong = try await mysqlError { try await connection.execute(insert, ["other", "very-secret"]) }
      let syntax = try await mysqlError {
        var sql: SQLText = "INSERT INTO tokens VALUES "
        sql.append("very-secret")
        try await connection.executeText(sql)
      }
      for error in [duplicate, wrong, syntax] {
        #expect(!error.description.contains("very-secret"))
        #expect(error.kind == .statement)
      }
      #expect(try await connection.query("SELECT 1 AS one").count == 1)
    }
  }

  @Test func aStatementThatIsBrokenOffWithoutANumberEndsTheConnection() {
    let error = MySQLError(code: 0, sqlState: "00000", message: "", statement: "SELECT 1")
    #expect(error.isConnectionLost)
    #expect(error.description == "MySQL: the statement was broken off, and the server does not say why [in: SELECT 1]")
  }

  @Test func aWrongNumberOfValuesIsNamed() async throws {
    try await withFreshConnection { connection in
      let error = try await mysqlError { _ = try await connection.query("SELECT ? AS a, ? AS b", [1]) }
      #expect(error.description == "MySQL: the statement has 2 placeholders and 1 values were given [in: SELECT ? AS a, ? AS b]")
    }
  }
}
