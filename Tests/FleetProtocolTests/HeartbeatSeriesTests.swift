import FleetProtocol
import ServiceRuntime
import Testing

@Suite("A heartbeat read by what it shares with the one before means what it means by itself") struct HeartbeatSeriesTests {
  private let first = bytes(
    #"{"agent_id":"a","sent_at":"2026-01-31T05:26:47.123Z","status":"online","monitored_instances":["i-1"],"mode":"spot","generation":12}"#)

  private func alone(_ body: [UInt8]) -> Result<Heartbeat, MessageError> {
    Result { () throws(MessageError) in try WireCoding.decode(Heartbeat.self, from: body) }
  }

  @Test("A later time is the one thing that changes") func time() throws {
    var series = HeartbeatSeries()
    let earlier = try series.decode(first)
    let text = String(decoding: first, as: UTF8.self)
    guard let range = text.firstRange(of: "05:26:47.123") else { throw MessageError(field: "body", problem: "shows no time") }
    var expected = earlier
    expected.sentAt = earlier.sentAt.advanced(by: .milliseconds(30_001))
    let later = bytes(text.replacingCharacters(range, with: "05:27:17.124"))
    #expect(try series.decode(later) == expected)
    #expect(try series.decode(first) == earlier)
  }

  @Test("Whatever follows the first one, with every byte changed, removed or doubled, means the same in the series and alone")
  func agreement() {
    for index in first.indices {
      for byte in Array("\"\\{}[],: 0n19-.xTZ\u{1}".utf8) + [0x80, 0xc3, 0xff] {
        var changed = first
        changed[index] = byte
        var grown = first
        grown.insert(byte, at: index)
        check(changed)
        check(grown)
      }
      var shorter = first
      shorter.remove(at: index)
      check(shorter)
    }
  }

  private func check(_ body: [UInt8]) {
    var series = HeartbeatSeries()
    for next in [first, body, first, body] {
      let result = Result { () throws(MessageError) in try series.decode(next) }
      #expect(result == alone(next), "\(String(decoding: next, as: UTF8.self))")
    }
  }
}

extension String {
  fileprivate func replacingCharacters(_ range: Range<Index>, with text: String) -> String {
    String(self[..<range.lowerBound]) + text + self[range.upperBound...]
  }
}
