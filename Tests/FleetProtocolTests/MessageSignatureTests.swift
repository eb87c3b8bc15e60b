import FleetProtocol
import Foundation
import Testing

@Suite("Signature of a message") struct MessageSignatureTests {
  let token = "client-token-for-examples-0123456789"
  let body = Array(#"{"agent_id":"a","status":"online"}"#.utf8)

  func envelope(_ key: SigningKey) throws -> SignedEnvelope {
    try SignedEnvelope(
      signing: body, type: "heartbeat", messageID: "m-1", timestamp: 1_769_837_207, routingKey: "heartbeat.c1.a1", with: key)
  }

  @Test("Equals what Python's hmac makes of the documented input") func vector() throws {
    let script = """
      import hmac, hashlib, sys
      data = b"1\\nheartbeat\\nm-1\\n1769837207\\nheartbeat.c1.a1\\n" + sys.argv[2].encode()
      print(hmac.new(sys.argv[1].encode(), data, hashlib.sha256).hexdigest())
      """
    let output = try run("python3", ["-c", script, token, String(decoding: body, as: UTF8.self)])
    let signed = try envelope(try SigningKey(clientToken: token))
    #expect(signed.signature == output.trimmingCharacters(in: .whitespacesAndNewlines))
  }

  @Test("Equals what openssl makes of the documented input") func opensslVector() throws {
    let folder = try TemporaryFolder()
    try Data(Array("1\nheartbeat\nm-1\n1769837207\nheartbeat.c1.a1\n".utf8) + body).write(to: URL(fileURLWithPath: folder.path + "/input"))
    let output = try run("openssl", ["dgst", "-sha256", "-hmac", token, "-r", folder.path + "/input"])
    #expect(output.hasPrefix(try envelope(try SigningKey(clientToken: token)).signature))
  }

  @Test("Verifies with the same token, white space round it or not, and after many other messages") func verifies() throws {
    let key = try SigningKey(clientToken: token)
    let signed = try envelope(key)
    let padded = try SigningKey(clientToken: " \(token)\n")
    for _ in 0..<100 {
      try signed.verify(with: key)
      try signed.verify(with: padded)
    }
  }

  @Test("Any change is noticed: type, id, time, key, body, token") func changes() throws {
    let key = try SigningKey(clientToken: token)
    let good = try envelope(key)
    let changes: [(inout SignedEnvelope) -> Void] = [
      { $0.type = "result" }, { $0.messageID = "m-2" }, { $0.timestamp += 1 }, { $0.routingKey = "heartbeat.c1.a2" },
      { $0.body[3] ^= 1 }, { $0.body.append(0x20) }, { $0.body = [] },
      { $0.signature = ($0.signature.first == "0" ? "1" : "0") + $0.signature.dropFirst() },
    ]
    for change in changes {
      var bad = good
      change(&bad)
      #expect(throws: SignatureError.mismatch) { try bad.verify(with: key) }
    }
    let other = try SigningKey(clientToken: token + "x")
    #expect(throws: SignatureError.mismatch) { try good.verify(with: other) }
    let empty = try SigningKey(clientToken: "")
    #expect(throws: SignatureError.mismatch) { try good.verify(with: empty) }
  }

  @Test(
    "A signature that is no signature is told apart",
    arguments: ["", "00", "zz", String(repeating: "A", count: 64), String(repeating: "0", count: 65)])
  func malformed(_ text: String) throws {
    let key = try SigningKey(clientToken: token)
    var bad = try envelope(key)
    bad.signature = text
    #expect(throws: SignatureError.notHexadecimal) { try bad.verify(with: key) }
  }

  @Test("An unknown version is named") func version() throws {
    let key = try SigningKey(clientToken: token)
    var bad = try envelope(key)
    bad.version = 2
    #expect(throws: SignatureError.unknownVersion(2)) { try bad.verify(with: key) }
  }

  @Test(
    "A line break in a name cannot shift the lines of the input",
    arguments: ["", "a\nb", "ü", "\u{7f}", String(repeating: "a", count: 256)])
  func names(_ name: String) throws {
    let key = try SigningKey(clientToken: token)
    #expect(throws: SignatureError.self) {
      try SignedEnvelope(signing: body, type: name, messageID: "m", timestamp: 1, routingKey: "k", with: key)
    }
    #expect(throws: SignatureError.self) {
      try SignedEnvelope(signing: body, type: "t", messageID: name, timestamp: 1, routingKey: "k", with: key)
    }
    var received = try envelope(key)
    received.type = name
    #expect(throws: SignatureError.self) { try received.verify(with: key) }
  }

  @Test("An answer is signed over the id of its request, even the longest") func reply() throws {
    let id = String(repeating: "m", count: 255)
    let key = try SigningKey(clientToken: token)
    let signed = try SignedEnvelope(
      signing: [], type: "registered", messageID: "x", timestamp: -1, routingKey: SignedEnvelope.replyRoutingKey(to: id), with: key)
    try signed.verify(with: key)
  }
}
