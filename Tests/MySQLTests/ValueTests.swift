import MySQL
import ServiceRuntime
import Testing

@Suite struct ValueTests {
  private static let texts = [
    "", "plain", "O'Hara \"quoted\" `ticked`", "back\\slash \\' \\\\", "nul\0inside", "line\nbreak\r\ttab \u{1a} substitute", "grüße 漢字 🚀👩‍👩‍👧",
    "%_; -- # /* */ ?", String(repeating: "long 🚀 ", count: 2000),
  ]
  private static let blobs: [[UInt8]] = [[], [0], Array(0...255), Array(repeating: 0x27, count: 1000), [0xf0, 0x9f], [0xff, 0x5c, 0x27]]

  private static let table: SQLText = """
    CREATE TABLE samples (id INT NOT NULL PRIMARY KEY AUTO_INCREMENT, whole BIGINT, real_number DOUBLE, words LONGTEXT, raw LONGBLOB,
      moment TIMESTAMP(3) NULL, flag TINYINT(1), large BIGINT UNSIGNED, exact DECIMAL(20,4), bits BIT(10))
      DEFAULT CHARSET=utf8mb4
    """

  private static let values: [(column: String, value: Value)] =
    [Int64.min, -1, 0, 1, Int64.max].map { ("whole", .int($0)) }
    + [0, -0.1, 1e-300, Double.leastNonzeroMagnitude, 1.7976931348623157e308, 123456789.123456789, 100].map { ("real_number", .double($0)) }
    + texts.map { ("words", .text($0)) } + blobs.map { ("raw", .bytes($0)) } + [("words", nil), ("raw", nil), ("whole", nil)]

  @Test func everyValueComesBackAsItWasBoundToAPreparedStatement() async throws {
    try await withFreshConnection(Self.table) { connection in
      for (column, value) in Self.values {
        let id = try await connection.execute("INSERT INTO samples (\(column)) VALUES (?)", [value]).lastInsertID
        let prepared = try await connection.query("SELECT \(column) AS it FROM samples WHERE id = ?", [.int(Int64(id))])
        #expect(try prepared.first?.value("it") == value)
        var select = SQLText(sql: "SELECT \(column) AS it FROM samples WHERE id = ")
        select.append(.int(Int64(id)))
        #expect(try await connection.queryText(select).first?.value("it") == value)
      }
    }
  }

  @Test func everyValueComesBackAsItWasWrittenIntoAStatement() async throws {
    try await withFreshConnection(Self.table) { connection in
      for (column, value) in Self.values {
        var insert = SQLText(sql: "INSERT INTO samples (\(column)) VALUES (")
        insert.append(value)
        insert.append(sql: ")")
        let id = try await connection.executeText(insert).lastInsertID
        let rows = try await connection.query("SELECT \(column) AS it FROM samples WHERE id = ?", [.int(Int64(id))])
        #expect(try rows.first?.value("it") == value)
      }
    }
  }

  @Test(arguments: [0, 1, 1_769_837_207_123, 946_684_799_999, 1_709_164_800_000, 2_147_483_647_999] as [Int64])
  func aMomentKeepsItsMillisecondsInBothProtocols(milliseconds: Int64) async throws {
    let moment = Timestamp(milliseconds: milliseconds)
    try await withFreshConnection("CREATE TABLE moments (at DATETIME(3) NOT NULL)") { connection in
      try await connection.execute("INSERT INTO moments VALUES (?)", [.timestamp(moment)])
      var insert: SQLText = "INSERT INTO moments VALUES ("
      insert.append(.timestamp(moment))
      insert.append(sql: ")")
      try await connection.executeText(insert)
      for rows in [
        try await connection.query("SELECT at FROM moments"), try await connection.queryText("SELECT at FROM moments"),
      ] {
        #expect(try rows.map { try $0.timestamp("at") } == [moment, moment])
      }
    }
  }

  @Test func theSessionIsUTCAndStrictWhateverTheServerDefaultsAre() async throws {
    try await withFreshConnection("CREATE TABLE small (number TINYINT NOT NULL)") { connection in
      let row = try #require(try await connection.query("SELECT @@session.time_zone AS zone, @@session.sql_mode AS mode").first)
      #expect(try row.string("zone") == "+00:00")
      #expect(try row.string("mode").contains("STRICT_TRANS_TABLES"))
      #expect(try row.string("mode").contains("NO_BACKSLASH_ESCAPES") == false)
      let error = try await mysqlError { try await connection.execute("INSERT INTO small VALUES (?)", [1000]) }
      #expect(error.kind == .statement)
      let apart = try await connection.query("SELECT TIMESTAMPDIFF(SECOND, NOW(), UTC_TIMESTAMP()) AS apart")
      #expect(try apart.first?.int("apart") == 0)
    }
  }

  @Test func numbersOfEveryWidthAreRead() async throws {
    try await withFreshConnection(Self.table) { connection in
      try await connection.execute(
        "INSERT INTO samples (flag, large, exact, bits) VALUES (?, ?, ?, b'1000000001')", [true, .text("18446744073709551615"), "12.5"])
      for rows in [
        try await connection.query("SELECT flag, large, exact, bits FROM samples"),
        try await connection.queryText("SELECT flag, large, exact, bits FROM samples"),
      ] {
        let row = try #require(rows.first)
        #expect(try row.bool("flag"))
        #expect(try row.double("exact") == 12.5)
        #expect(try row.string("exact") == "12.5000")
        #expect(try row.int("bits") == 513)
        #expect(try row.value("large") == "18446744073709551615")
        let error = try #require(throws: RowError.self) { try row.int("large") }
        #expect(error.description == "column samples.large: expected a whole number of 64 bits, found '18446744073709551615'")
      }
      let sum = try await connection.query("SELECT SUM(n) AS total, COUNT(*) AS number FROM (SELECT 1 AS n UNION ALL SELECT 2) AS t")
      #expect(try sum.first?.int("total") == 3)
      #expect(try sum.first?.int("number") == 2)
    }
  }

  @Test func bothProtocolsBringTheSameValueOfEveryOtherType() async throws {
    let table: SQLText = """
      CREATE TABLE kinds (small TINYINT UNSIGNED ZEROFILL, day DATE, hour TIME(3), year_number YEAR, plain DATETIME, short FLOAT, word CHAR(5),
        chosen ENUM('a', 'b'), several SET('x', 'y'), document JSON, fixed BINARY(3), nothing TEXT) DEFAULT CHARSET=utf8mb4
      """
    let expected: [Value] = [
      7, "2026-01-31", "-12:30:00.500", 2026, "2026-01-31 05:26:47", 0.5, "ü", "b", "x,y", #"{"a": 1}"#, .bytes([1, 0, 0]), nil,
    ]
    try await withFreshConnection(table) { connection in
      let marks = Array(repeating: "?", count: expected.count).joined(separator: ", ")
      try await connection.execute("INSERT INTO kinds VALUES (\(marks))", expected)
      let prepared = try await connection.query("SELECT * FROM kinds")
      let text = try await connection.queryText("SELECT * FROM kinds")
      #expect(prepared.map(\.values) == [expected])
      #expect(text.map(\.values) == [expected])
    }
  }

  @Test func aNumberThatSQLCannotStoreIsRefusedBeforeItIsSent() async throws {
    try await withFreshConnection(Self.table) { connection in
      for number in [Double.nan, .infinity] {
        let bound = try await mysqlError { try await connection.execute("INSERT INTO samples (real_number) VALUES (?)", [.double(number)]) }
        #expect(bound.kind == .invalidValue)
        let written = try await mysqlError {
          var insert: SQLText = "INSERT INTO samples (real_number) VALUES ("
          insert.append(.double(number))
          insert.append(sql: ")")
          try await connection.executeText(insert)
        }
        #expect(written.kind == .invalidValue)
      }
      #expect(try await connection.query("SELECT id FROM samples").isEmpty)
    }
  }

  @Test(arguments: [
    "'; DROP TABLE victims; -- ", "' OR '1'='1", "\\' OR 1=1 -- ", "\\", "x\0' OR 1=1 -- ", "\u{bf}' OR 1=1 -- ", "1; DELETE FROM victims",
  ])
  func aHostileTextIsAValueAndNothingElse(text: String) async throws {
    try await withFreshConnection("CREATE TABLE victims (name VARCHAR(100) NOT NULL) DEFAULT CHARSET=utf8mb4") { connection in
      try await connection.execute("INSERT INTO victims VALUES ('innocent')")
      #expect(try await connection.query("SELECT name FROM victims WHERE name = ?", [.text(text)]).isEmpty)
      var select: SQLText = "SELECT name FROM victims WHERE name = "
      select.append(.text(text))
      #expect(try await connection.queryText(select).isEmpty)
      var insert: SQLText = "INSERT INTO victims VALUES ("
      insert.append(.text(text))
      insert.append(sql: ")")
      try await connection.executeText(insert)
      #expect(try await connection.queryText(select).map { try $0.string("name") } == [text])
      #expect(try await connection.query("SELECT name FROM victims").count == 2)
    }
  }

  @Test func aSecondStatementBehindASemicolonIsRefused() async throws {
    try await withFreshConnection { connection in
      let error = try await mysqlError { try await connection.executeText("SELECT 1; SELECT 2") }
      #expect(error.code == 1064)
    }
  }

  @Test func matchedRowsCountWhatWasFoundEvenIfNothingChanged() async throws {
    try await withFreshConnection("CREATE TABLE pairs (id INT PRIMARY KEY, number INT)") { connection in
      let inserted = try await connection.executeText("INSERT INTO pairs VALUES (1, 5), (2, 5)")
      let unchanged = try await connection.execute("UPDATE pairs SET number = ?", [5])
      let missed = try await connection.execute("UPDATE pairs SET number = ? WHERE id = ?", [5, 9])
      #expect([inserted, unchanged, missed].map(\.matchedRows) == [2, 2, 0])
    }
  }
}
