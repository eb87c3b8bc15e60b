import AMQP
import FleetProtocol
import ServiceRuntime
import TestSupport
import Testing

@testable import Server

/// Whatever is thrown into the inbox, the good message beside it becomes a row, and every other ends where it should.
@Suite struct InboxRubbishTests {
  /// What is to become of a message.
  private struct Rubbish: Sendable {
    let name: String
    let message: Message
    let routingKey: String
    /// The status its sender is told, or `nil` for no answer.
    let notice: Int?
    /// What the reason of its dead letter contains, or `nil` for none.
    let reason: String?

    init(_ name: String, _ routingKey: String, notice: Int?, reason: String? = nil, _ message: Message) {
      var message = message
      // Headers are not signed: this one finds the dead letter again.
      if message.headers["case"] == nil { message.headers["case"] = .text(name) }
      (self.name, self.message, self.routingKey, self.notice, self.reason) = (name, message, routingKey, notice, reason)
    }

    /// Not mandatory where there is no id: a mandatory message is given one.
    var publication: Publication {
      Publication(message, to: Topology.inboxExchange, routingKey: routingKey, mandatory: message.messageID != nil)
    }
  }

  private static let key = "heartbeat.c1.a1"

  private static func malformed() throws -> [Rubbish] {
    let deep = String(repeating: "{\"a\":", count: 10_000) + "1" + String(repeating: "}", count: 10_000)
    let bodies: [(String, [UInt8])] = [
      ("broken JSON", Array(#"{"agent_id":"#.utf8)), ("no body", []), ("null", Array("null".utf8)), ("an array", Array("[]".utf8)),
      ("wrong types", Array(#"{"agent_id":1,"status":[],"monitored_instances":{}}"#.utf8)), ("missing fields", Array("{}".utf8)),
      ("invalid UTF-8", Array(#"{"agent_id":""#.utf8) + [0xc3, 0x28, 0xff] + Array(#""}"#.utf8)), ("deep nesting", Array(deep.utf8)),
      ("a huge number", Array(#"{"agent_id":"x","status":"online","monitored_instances":[],"generation":1e400,"sent_at":"now"}"#.utf8)),
      ("10 MB", [UInt8](repeating: 0x20, count: 10_000_000)),
    ]
    return try bodies.map { name, body in
      Rubbish(
        name, key, notice: 400, reason: "400 Validation failed", try BenchMessage.signed(body, type: "heartbeat", routingKey: key))
    }
  }

  private static func unproven(_ agentID: String) throws -> [Rubbish] {
    let body = try WireCoding.encode(BenchMessage.heartbeat(agentID, instances: ["i-forged"]))
    var unsigned = try BenchMessage.signed(body, type: "heartbeat", routingKey: key)
    unsigned.headers = [:]
    var nested = unsigned
    nested.headers["x"] = (0..<300).reduce(FieldValue.int(1)) { value, _ in .table(["x": value]) }
    nested.messageID = randomUUID()
    return [
      Rubbish("unsigned", key, notice: 401, unsigned),
      Rubbish("nested headers", key, notice: 401, nested),
      Rubbish("wrongly signed", key, notice: 401, try BenchMessage.signed(body, type: "heartbeat", routingKey: key, token: "guessed")),
      Rubbish(
        "another's key", "heartbeat.c2.b1", notice: 401, try BenchMessage.signed(body, type: "heartbeat", routingKey: "heartbeat.c2.b1")),
      Rubbish(
        "unknown client", "heartbeat.nobody.a1", notice: 401,
        try BenchMessage.signed(body, type: "heartbeat", routingKey: "heartbeat.nobody.a1")),
      Rubbish(
        "disabled client", "heartbeat.off.a1", notice: 403,
        try BenchMessage.signed(body, type: "heartbeat", routingKey: "heartbeat.off.a1", token: BenchMessage.token(of: "off"))),
      // No answer can be bound to such ids, which once brought the whole inbox to a stop.
      Rubbish("an id with a line break", key, notice: nil, try unanswerable(body, "line\nbreak")),
      Rubbish("an id that is not ASCII", key, notice: nil, try unanswerable(body, String(repeating: "ü", count: 127))),
    ]
  }

  private static func unanswerable(_ body: [UInt8], _ id: String) throws -> Message {
    var message = try BenchMessage.signed(body, type: "heartbeat", routingKey: key)
    message.messageID = id
    return message
  }

  private static func misplaced(_ agentID: String) throws -> [Rubbish] {
    let good = try BenchMessage.signed(BenchMessage.heartbeat(agentID), routingKey: key)
    var nameless = good
    nameless.messageID = nil
    var mistyped = good
    mistyped.type = "result"
    // Fills the frame; with the reply-to written out, the broker delivers more than a frame.
    var full = nameless
    full.headers = ["x": .text(String(repeating: "x", count: 130_900))]
    full.headers["case"] = .text("full headers")
    return [
      Rubbish(
        "unknown id", key, notice: 404,
        try BenchMessage.signed(BenchMessage.heartbeat(randomUUID(), sentAt: .now().advanced(by: .seconds(3600))), routingKey: key)),
      Rubbish(
        "unknown agent", "heartbeat.c1.ghost", notice: 404,
        try BenchMessage.signed(BenchMessage.heartbeat(agentID), routingKey: "heartbeat.c1.ghost")),
      Rubbish("no message id", key, notice: nil, reason: "no message_id", nameless),
      Rubbish("wrong type", key, notice: nil, reason: "its type is 'result'", mistyped),
      Rubbish("uncanonical key", "heartbeat.c1.%61", notice: nil, reason: "percent-encoded", good),
      Rubbish("full headers", key, notice: nil, reason: "no message_id", full),
    ]
  }

  @Test func leavesTheGoodHeartbeatItsRow() async throws {
    try await Bench.run { bench in
      try await bench.client("c1")
      try await bench.client("c2")
      try await bench.client("off", isActive: false)
      let agent = try await bench.register("a1")
      let all = try Self.malformed() + Self.unproven(agent.agentID) + Self.misplaced(agent.agentID)
      let sentAt = Timestamp.now()
      try await bench.peer.publish(all.map(\.publication))
      try await bench.peer.publish([try bench.heartbeat(agent, sentAt: sentAt, instances: ["i-good"])])
      try await bench.peer.publish(all.map(\.publication))

      try await eventually("the good heartbeat is stored") { try await bench.agent(agent).monitoredInstances == ["i-good"] }
      for rubbish in all where rubbish.notice != nil {
        let notice = try await bench.peer.notice(for: rubbish.message)
        #expect(notice.status == rubbish.notice, "\(rubbish.name): \(notice)")
      }
      let buried = all.filter { $0.reason != nil }
      let letters = try await bench.deadLetters(2 * buried.count)
      #expect(letters.count == 2 * buried.count)
      for rubbish in buried where rubbish.name != "full headers" {
        let mine = letters.filter { $0.message.headers["case"] == .text(rubbish.name) }
        #expect(mine.count == 2 && mine.allSatisfy { reason($0).contains(rubbish.reason ?? "") }, "\(rubbish.name): \(mine.map(reason))")
        #expect(mine.allSatisfy { $0.message.body == rubbish.message.body && $0.message.userID == nil })
      }
      #expect(letters.count { reason($0).contains("no message_id") } == 4, "with headers that fill a frame as well")
      for rubbish in all where rubbish.notice == nil { #expect(bench.peer.replies(to: rubbish.message).isEmpty, "\(rubbish.name)") }
      try await bench.expectEmptyAfterStop()
      #expect(bench.log.count("Worker is consuming") == 1, "nothing of it broke the worker")
      let line = try #require(bench.log.lines.first { $0.contains("attempt - token: not ") })
      #expect(!line.contains(BenchMessage.token))
      // The guide has operators search for these words.
      #expect(
        bench.log.lines.contains { $0.contains("Invalid client token attempt - token: not ") && $0.contains("(signature does not match") })
    }
  }

  private func reason(_ letter: Delivery) -> String {
    guard case .text(let reason) = letter.message.headers["reason"] else { return "" }
    return reason
  }

  @Test func writesDownFloodsOfRefusalsWithinLimits() async throws {
    try await Bench.run { bench in
      try await bench.client("c1")
      let body = try WireCoding.encode(BenchMessage.heartbeat("x"))
      let forged = try (0..<300).map { _ in
        Publication(
          try BenchMessage.signed(body, type: "heartbeat", routingKey: Self.key, token: "guessed"), to: Topology.inboxExchange,
          routingKey: Self.key)
      }
      try await bench.peer.publish(forged)
      for publication in forged { _ = try await bench.peer.reply(to: publication.message) }
      let rows = try await bench.database.sql("SELECT COUNT(*) AS n FROM system_events WHERE event_type = 'auth_failed'")
      #expect(try rows.first?.int("n") == 1)
      #expect(bench.log.count("signature does not match") <= 25)
      try await bench.expectEmptyAfterStop()
    }
  }
}
