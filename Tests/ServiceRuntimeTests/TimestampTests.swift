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
}
