import ServiceRuntime
import Testing

@Suite struct TimestampTests {
  @Test func wireFormGoesThereAndBack() {
    let moment = Timestamp(milliseconds: 1_767_225_600_123)
    #expect(moment.iso8601 == "2026-01-01T00:00:00.123Z")
    #expect(Timestamp(text: moment.iso8601) == moment)
    #expect(moment.sqlText == "2026-01-01 00:00:00.123")
    #expect(Timestamp(text: moment.sqlText) == moment)
  }

  @Test(arguments: [
    ("2026-01-01T00:00:00Z", 1_767_225_600_000), ("2026-01-01T01:00:00+01:00", 1_767_225_600_000),
    ("2025-12-31T23:30:00.5-00:30", 1_767_225_600_500),
    ("2026-01-01T00:00:00.123456789Z", 1_767_225_600_123), ("2024-02-29 12:00:00", 1_709_208_000_000),
  ])
  func otherFormsOfTheSameMomentAreRead(text: String, milliseconds: Int64) {
    #expect(Timestamp(text: text)?.milliseconds == milliseconds)
  }

  @Test(arguments: [
    "", "2026-01-01", "2026-13-01T00:00:00Z", "2025-02-29T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:00:60Z", "2026-01-01T00:00:00",
    "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00Zx", "2026-01-01T00:00:00+1:00", "0000-00-00 00:00:00", "２０２６-01-01T00:00:00Z",
    "1969-12-31T23:59:59Z",
  ])
  func whatIsNoMomentIsRefused(text: String) {
    #expect(Timestamp(text: text) == nil)
  }

  @Test func momentsBeforeTheEpochRoundDown() {
    #expect(Timestamp(milliseconds: -1).seconds == -1)
    #expect(Timestamp(milliseconds: -1).iso8601 == "1969-12-31T23:59:59.999Z")
  }

  @Test func theFastWayToReadAndWriteTheUsualFormsMeansTheSame() {
    // Every ninth hour and a few milliseconds, over four hundred years and all their leap days.
    for step in 0..<390_000 {
      let moment = Timestamp(milliseconds: Int64(step) * 32_400_007)
      let text = moment.iso8601
      var bytes: [UInt8] = []
      moment.appendSQLText(to: &bytes)
      guard Timestamp(wireForm: Array(text.utf8)[...]) == moment, String(decoding: bytes, as: UTF8.self) == moment.sqlText else {
        Issue.record("\(text)")
        return
      }
    }
  }

  @Test(arguments: [
    "2026-01-31T05:26:47Z", "2026-01-31 05:26:47.123Z", "2026-01-31T05:26:47.123+", "2026-13-01T00:00:00.000Z", "2025-02-29T00:00:00.000Z",
    "2026-01-00T00:00:00.000Z", "2026-01-01T24:00:00.000Z", "2026-01-01T00:60:00.000Z", "2026-01-01T00:00:60.000Z",
    "1969-12-31T23:59:59.999Z",
    "2026-01-01T00:00:00,000Z", "2026-0a-01T00:00:00.000Z", "2026-01-01T00:00:00.00:Z", "",
  ])
  func theFastWayLeavesOtherFormsAlone(text: String) {
    #expect(Timestamp(wireForm: Array(text.utf8)[...]) == nil)
  }

  @Test func momentsBeforeTheEpochAreWrittenAsWell() {
    var bytes = Array("at ".utf8)
    Timestamp(milliseconds: -1).appendSQLText(to: &bytes)
    #expect(String(decoding: bytes, as: UTF8.self) == "at 1969-12-31 23:59:59.999")
  }
}
