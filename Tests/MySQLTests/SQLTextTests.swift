import ServiceRuntime
import Testing

@testable import MySQL

@Suite struct SQLTextTests {
  private func written(_ value: Value) -> String {
    var sql = SQLText()
    sql.append(value)
    return String(decoding: sql.bytes, as: UTF8.self)
  }

  @Test func valuesBecomeLiterals() {
    #expect(written(nil) == "NULL")
    #expect(written(.int(.min)) == "-9223372036854775808")
    #expect(written(.int(.max)) == "9223372036854775807")
    #expect(written(0) == "0")
    #expect(written(.double(100)) == "100.0e0")
    #expect(written(.double(-1e-5)) == "-1e-05")
    #expect(written(.bytes([0x00, 0x27, 0xff])) == "x'0027FF'")
    #expect(written(.bytes([])) == "x''")
    #expect(written(.timestamp(Timestamp(milliseconds: 1_769_837_207_123))) == "'2026-01-31 05:26:47.123'")
  }

  @Test func everyByteWithAMeaningToTheServerIsEscaped() {
    #expect(written("a'b\"c\\d") == #"'a\'b\"c\\d'"#)
    #expect(written("\0\n\r\u{1a}") == #"'\0\n\r\Z'"#)
    #expect(written("🚀ü") == "'🚀ü'")
    #expect(written("") == "''")
  }

  @Test func aMomentIsWrittenAsTimestampWritesIt() {
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<2000 {
      let moment = Timestamp(milliseconds: Int64.random(in: 0...253_402_300_799_999, using: &generator))
      #expect(written(.timestamp(moment)) == "'\(moment.sqlText)'")
    }
    #expect(written(.timestamp(Timestamp(milliseconds: -1))) == "'1969-12-31 23:59:59.999'")
  }

  @Test func theShapeForErrorsHoldsNoValue() {
    var sql: SQLText = "INSERT INTO t VALUES ("
    sql.append(list: ["secret", 42, nil])
    sql.append(sql: ")")
    #expect(sql.shape == "INSERT INTO t VALUES (?, ?, ?)")
    for _ in 0..<1000 { sql.append("secret") }
    #expect(sql.shape.utf8.count < 300)
  }
}
