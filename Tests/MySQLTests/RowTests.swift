import MySQL
import ServiceRuntime
import Testing

@Suite struct RowTests {
  private static let table: SQLText = """
    CREATE TABLE machines (id INT PRIMARY KEY, name VARCHAR(300), seen DATETIME(3), live TINYINT(1), raw VARBINARY(10))
    """

  /// The inserted row as each of the two protocols brings it.
  private func rows(_ insert: String, _ values: [Value] = []) async throws -> [Row] {
    var rows: [Row] = []
    try await withFreshConnection(Self.table) { connection in
      try await connection.execute(insert, values)
      let statement = "SELECT m.id, m.name AS label, m.seen, m.live, m.raw, m.id + 1 AS next FROM machines AS m"
      rows = try await connection.query(statement) + connection.queryText(SQLText(sql: statement))
    }
    return rows
  }

  @Test func anErrorNamesTableColumnExpectationAndValue() async throws {
    for row in try await rows(
      "INSERT INTO machines VALUES (7, ?, NULL, 2, x'FF00')", [.text("line\n" + String(repeating: "y", count: 100))])
    {
      #expect(
        throws: RowError(
          column: "machines.label", expected: "a whole number of 64 bits", found: "'line\\n\(String(repeating: "y", count: 35))…'")
      ) { try row.int("label") }
      #expect(throws: RowError(column: "machines.seen", expected: "a date and time", found: "NULL")) { try row.timestamp("seen") }
      #expect(throws: RowError(column: "machines.live", expected: "0 or 1", found: "2")) { try row.bool("live") }
      #expect(throws: RowError(column: "machines.raw", expected: "a text", found: "2 bytes")) { try row.string("raw") }
      #expect(throws: RowError(column: "machines.id", expected: "a text or NULL", found: "7")) { try row.optionalString("id") }
      #expect(throws: RowError(column: "next", expected: "a date and time", found: "8")) { try row.timestamp("next") }
    }
  }

  @Test func aColumnThatIsNotThereOrIsThereTwiceIsNamed() async throws {
    try await withFreshConnection { connection in
      let row = try #require(try await connection.query("SELECT 1 AS a, 2 AS b, 3 AS b").first)
      #expect(throws: RowError(column: "c", expected: "to be in the result", found: "a, b, b")) { try row.int("c") }
      #expect(throws: RowError.self) { try row.int("b") }
      #expect(try row.int("a") == 1)
      #expect(row.columnNames == ["a", "b", "b"])
    }
  }

  @Test func optionalsAreNilForNullAndTheValueOtherwise() async throws {
    for row in try await rows("INSERT INTO machines VALUES (1, NULL, '2026-01-31 05:26:47.123456', 1, NULL)") {
      #expect(try row.optionalString("label") == nil)
      #expect(try row.optionalBytes("raw") == nil)
      #expect(try row.optionalInt("id") == 1)
      #expect(try row.optionalBool("live") == true)
      #expect(try row.optionalDouble("id") == 1)
      #expect(try row.optionalTimestamp("seen") == Timestamp(text: "2026-01-31 05:26:47.123"))
    }
  }

  @Test func aResultFollowsATableThatChangedUnderAPreparedStatement() async throws {
    try await withFreshConnection("CREATE TABLE growing (a INT)") { connection in
      try await connection.execute("INSERT INTO growing VALUES (1)")
      #expect(try await connection.query("SELECT * FROM growing").first?.columnNames == ["a"])
      try await connection.executeText("ALTER TABLE growing ADD COLUMN b VARCHAR(10) DEFAULT 'new'")
      let row = try #require(try await connection.query("SELECT * FROM growing").first)
      #expect(try row.string("b") == "new")
    }
  }
}
