import FoundationEssentials
import Testing

@testable import FleetProtocol

@Suite("The fast way to read a heartbeat means the same as the general one") struct HeartbeatScannerTests {
  private let texts = [
    #"{"agent_id":"a","status":"online","monitored_instances":["i-1","i-2"],"instance_id":"i","instance_type":"t","mode":"spot","az":"z","#
      + #""generation":12,"config_version":7,"sent_at":"2026-01-31T05:26:47.123Z"}"#,
    #"{ "sent_at" : "2026-01-31T06:26:47+01:00" , "generation":0,"config_version":null,"monitored_instances" : [ ], "status":"error","mode":null,"az": null, "agent_id":""}"#
      + "\r\n\t ",
  ]

  /// What the general decoder makes of it; `nil` when it is an error.
  private func general(_ body: [UInt8]) -> Heartbeat? {
    try? WireCoding.decodeJSON(Heartbeat.self, from: body)
  }

  @Test("The usual heartbeat is read the fast way") func usual() throws {
    for text in texts {
      let beat = try #require(HeartbeatScanner.scan(bytes(text)))
      #expect(beat == general(bytes(text)))
    }
    #expect(HeartbeatScanner.scan(try WireCoding.encode(Samples.heartbeat)) == Samples.heartbeat)
  }

  @Test("Whatever it accepts, the general decoder accepts with the same meaning: every byte changed, removed and doubled") func agreement()
  {
    var accepted = 0
    for text in texts {
      let original = bytes(text)
      for index in original.indices {
        for byte in Array("\"\\{}[],: 0n19-.x\u{1}".utf8) + [0x80, 0xc3, 0xff] {
          var changed = original
          changed[index] = byte
          var grown = original
          grown.insert(byte, at: index)
          for body in [changed, grown] {
            guard let beat = HeartbeatScanner.scan(body) else { continue }
            accepted += 1
            #expect(beat == general(body), "\(String(decoding: body, as: UTF8.self))")
          }
        }
        var shorter = original
        shorter.remove(at: index)
        if let beat = HeartbeatScanner.scan(shorter) { #expect(beat == general(shorter)) }
      }
    }
    #expect(accepted > 100)
  }

  @Test(
    "What it does not know is left to the general decoder, which reads it",
    arguments: [
      #"{"agent_id":"\u0061","status":"online","monitored_instances":[],"generation":1,"sent_at":"2026-01-31T05:26:47Z"}"#,
      #"{"agent_id":"ü","status":"online","monitored_instances":[],"generation":1,"sent_at":"2026-01-31T05:26:47Z"}"#,
      #"{"agent_id":"a","new":{},"status":"online","monitored_instances":[],"generation":1,"sent_at":"2026-01-31T05:26:47Z"}"#,
      #"{"agent_id":"a","status":"online","monitored_instances":[],"generation":1e0,"sent_at":"2026-01-31T05:26:47Z"}"#,
    ])
  func unusual(_ text: String) throws {
    #expect(HeartbeatScanner.scan(bytes(text)) == nil)
    #expect(try WireCoding.decode(Heartbeat.self, from: bytes(text)).generation == 1)
  }

  @Test("A field given twice is not decided by it") func repeated() {
    let text = texts[0].dropLast() + #","status":"offline"}"#
    #expect(HeartbeatScanner.scan(bytes(String(text))) == nil)
  }
}
