import FleetProtocol
import Foundation
import ServiceRuntime
import Testing

@Suite("Hostile bodies") struct HostileInputTests {
  private func error(_ text: String) -> MessageError? { error(bytes(text)) }

  private func error(_ body: [UInt8]) -> MessageError? {
    #expect(throws: MessageError.self) { try WireCoding.decode(Heartbeat.self, from: body) }
  }

  private let good = #"{"agent_id":"a","status":"online","monitored_instances":[],"generation":1,"sent_at":"2026-01-31T05:26:47Z"}"#

  private func replacing(_ old: String, _ new: String) -> String { good.replacingOccurrences(of: old, with: new) }

  @Test("The body that the others are made from is good") func baseline() throws {
    _ = try WireCoding.decode(Heartbeat.self, from: bytes(good))
  }

  @Test(
    "What is no JSON object says so",
    arguments: ["", " ", "{", "nul", "[]", "1", "\"x\"", "null", "{\"agent_id\":}", "{}{}", "\u{feff}{}", "{'a':1}"])
  func broken(_ text: String) {
    #expect(error(text)?.field == "body" || error(text)?.problem == "is missing")
  }

  @Test("A truncated body of any length is an error, not a crash") func truncated() {
    for length in 0..<good.utf8.count { _ = error(Array(bytes(good)[..<length])) }
  }

  @Test("Any single changed byte is decoded or refused, never a crash") func flipped() {
    let original = bytes(good)
    for index in original.indices {
      for change in [UInt8(0x80), 0x01, 0x20, 0xff] {
        var body = original
        body[index] ^= change
        // Many changes give another good heartbeat; only the absence of a trap is asked for.
        _ = try? WireCoding.decode(Heartbeat.self, from: body)
      }
    }
  }

  @Test("Bytes that are no UTF-8 are told with their place") func invalidUTF8() {
    #expect(error(bytes(#"{"agent_id":""#) + [0xff] + bytes("\"}"))?.description == "body is not UTF-8 (byte 13)")
    #expect(error(Array(good.data(using: .utf16) ?? Data()))?.field == "body")
    #expect(error(Array(good.data(using: .utf32BigEndian) ?? Data()))?.field == "body")
    #expect(error([0xed, 0xa0, 0x80])?.field == "body")
  }

  @Test("10 MB are refused by their size") func large() {
    let body = [UInt8](repeating: 0x20, count: 10_000_000)
    #expect(error(body)?.description == "body has 10000000 bytes; 262144 are the most")
  }

  @Test("Missing, null and wrong values name field and remedy") func fields() {
    #expect(error(replacing(#","generation":1"#, ""))?.description == "generation is missing")
    #expect(error(replacing(#""generation":1"#, #""generation":null"#))?.description == "generation is null; it must be a whole number")
    #expect(
      error(replacing(#""generation":1"#, #""generation":"1""#))?.description
        == "generation is of the wrong type; it must be a whole number")
    #expect(error(replacing(#""agent_id":"a""#, #""agent_id":7"#))?.description == "agent_id is of the wrong type; it must be a text")
    #expect(error(replacing("[]", "{}"))?.description == "monitored_instances is of the wrong type; it must be an array")
    #expect(error(replacing("[]", #"["a",3]"#))?.description == "monitored_instances[1] is of the wrong type; it must be a text")
    #expect(
      error(replacing("online", "dancing"))?.description
        == "status is 'dancing', which is none of online, offline, disabled, switching, error, deleted")
    for time in ["yesterday", "2026-01-31 05:26:47", "2026-02-30T00:00:00Z", "2026-01-31T05:26:47", "", "9999999999"] {
      #expect(error(replacing("2026-01-31T05:26:47Z", time))?.field == "sent_at")
    }
  }

  @Test("A text from outside is shortened and made printable in an error") func printableErrors() {
    let text = error(replacing("online", String(repeating: "x", count: 5000)))?.description ?? ""
    #expect(text.utf8.count < 300)
    #expect(error(replacing("online", "a\\nb\\u001b[31m"))?.description.contains("\n") == false)
  }

  @Test(
    "Numbers too large to hold are refused",
    arguments: ["99999999999999999999", "1e400", "-1e400", "1e19", "1.5", "-0.1", "00", "1e", "0x10", "NaN"])
  func hugeNumbers(_ number: String) {
    #expect(error(replacing(#""generation":1"#, #""generation":\#(number)"#)) != nil)
  }

  @Test(
    "In free-form values a number beyond 64 bits is refused rather than rounded",
    arguments: ["18446744073709551615", "1e300", "-1e19", "1e400"])
  func hugeFreeNumbers(_ number: String) {
    #expect(throws: MessageError.self) { try WireCoding.decodeJSON(JSONValue.self, from: bytes("[\(number)]")) }
  }

  @Test("A number of 200,000 digits ends quickly") func longNumber() {
    let body = bytes("[" + String(repeating: "9", count: 200_000) + "]")
    let time = ContinuousClock().measure { #expect(throws: MessageError.self) { try WireCoding.decodeJSON(JSONValue.self, from: body) } }
    #expect(time < .seconds(5))
  }

  @Test("Nesting at the limit is decoded and encoded on a thread of 1 MiB, one level more is refused") func nesting() async throws {
    let outcome = await withCheckedContinuation { continuation in
      startThread(name: "nesting") {
        func nested(_ depth: Int) -> [UInt8] {
          bytes(String(repeating: #"{"a":["#, count: depth / 2) + String(repeating: "]}", count: depth / 2))
        }
        do {
          let value = try WireCoding.decodeJSON(JSONValue.self, from: nested(MessageLimits.nesting))
          let text = try WireCoding.encodeJSON(value)
          let same = text == nested(MessageLimits.nesting)
          for depth in [MessageLimits.nesting + 2, 600, 60_000] {
            do throws(MessageError) {
              _ = try WireCoding.decodeJSON(JSONValue.self, from: nested(depth))
              continuation.resume(returning: "accepted \(depth)")
              return
            } catch {
              guard error.problem == "is nested deeper than 64 levels" else {
                continuation.resume(returning: "\(error)")
                return
              }
            }
          }
          continuation.resume(returning: same ? "good" : "changed")
        } catch {
          continuation.resume(returning: "\(error)")
        }
      }
    }
    #expect(outcome == "good")
  }

  @Test("Brackets inside a text are no nesting") func bracketsInText() throws {
    let text = "\"" + String(repeating: "[{\\\"", count: 500) + "\""
    #expect(throws: Never.self) { try WireCoding.decodeJSON(JSONValue.self, from: bytes(text)) }
  }

  @Test("A deep value of our own making is refused before it is sent, for nobody could read it") func deepOutput() throws {
    var value = JSONValue.int(1)
    for _ in 0..<MessageLimits.nesting { value = [value] }
    var result = Samples.result
    result.output = value
    #expect(throws: MessageError.self) { try WireCoding.encode(result) }
  }

  @Test("Escapes for half a surrogate pair are refused or replaced, never a crash") func surrogates() {
    for text in [#""\ud800""#, #""\udc00\ud800""#, #""\u12""#, #""\x""#] {
      _ = try? WireCoding.decodeJSON(JSONValue.self, from: bytes(text))
    }
  }
}
