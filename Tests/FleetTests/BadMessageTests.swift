import AMQP
import FleetProtocol
import Foundation
import MySQL
import TestSupport
import Testing

/// Bytes and rows that nobody expects: each is put aside with its reason, and the good ones beside it come through.
@Suite struct BadMessageTests {
  private static let heartbeat = "heartbeat.\(Fleet.clientID).crowd-0"

  /// Bodies of a heartbeat, each signed with the client's own token.
  private static var bodies: [[UInt8]] {
    let deep = String(repeating: "[", count: 20_000) + String(repeating: "]", count: 20_000)
    let texts = [
      "", "{", "null", "[]", "\"text\"", "{}", #"{"agent_id":5,"status":true,"sent_at":[]}"#, deep, #"{"agent_id":\#(deep)}"#,
      #"{"agent_id":"x","status":"dancing","monitored_instances":[],"generation":1,"sent_at":"2026-01-01T00:00:00.000Z"}"#,
      #"{"agent_id":"x","status":"online","monitored_instances":[],"generation":1e999,"sent_at":"2026-01-01T00:00:00.000Z"}"#,
      #"{"agent_id":"x","status":"online","monitored_instances":[],"generation":99999999999999999999,"sent_at":"2026-01-01T00:00:00Z"}"#,
      #"{"agent_id":"x","status":"online","monitored_instances":[],"generation":1,"sent_at":"the day after tomorrow"}"#,
    ]
    return texts.map { Array($0.utf8) } + [[0xff, 0xfe, 0x00, 0x80], [UInt8](repeating: 0x20, count: 10_000_000)]
  }

  @Test func whatTheWireBringsIsPutAsideAndTheGoodMessagesBesideItAreKept() async throws {
    try await withFleet { fleet in
      let server = try await fleet.startServer()
      try await fleet.createClient()
      let crowd = try await Crowd(fleet, count: 20)
      var bad = try Self.bodies.map { try crowd.publication($0, routingKey: Self.heartbeat) }
      // Unusable by their properties.
      bad.append(try crowd.publication(Array("{}".utf8), routingKey: Self.heartbeat, type: "gossip"))
      bad.append(try crowd.publication(Array("{}".utf8), routingKey: "heartbeat.%41cme.crowd-0"))
      bad.append(try crowd.publication(Array("{}".utf8), routingKey: "notice.\(Fleet.clientID).crowd-0", type: "notice"))
      bad.append(try crowd.publication(Array("nonsense".utf8), routingKey: "register.\(Fleet.clientID).crowd-0", type: "register"))
      bad.append(try crowd.publication(Array("nonsense".utf8), routingKey: "result.\(Fleet.clientID).crowd-0", type: "result"))
      // Refused, and worth nothing later: not kept.
      var refused = [
        try crowd.publication(Array("{}".utf8), routingKey: Self.heartbeat),
        try crowd.publication(Array("{}".utf8), routingKey: Self.heartbeat),
        try crowd.publication(Array("{}".utf8), routingKey: "heartbeat.nobody.crowd-0"),
      ]
      refused[0].message.headers = ["signature": .int(7), "signature-version": .text("one")]
      refused[1].message.timestamp = 0

      for (round, publication) in (bad + refused).enumerated() {
        try await crowd.publish([publication])
        try await crowd.publishHeartbeats(round: round)
      }
      try await eventually("the good ones are stored", timeout: .seconds(60)) {
        try await crowd.countAt(round: bad.count + refused.count - 1) == crowd.count
      }
      try await eventually("the bad ones are put aside") { try await fleet.depth(of: Topology.deadLettersQueue) == bad.count }
      for queue in [Topology.heartbeatsQueue, Topology.registerQueue, Topology.resultsQueue] {
        try await eventually("\(queue) is empty") { try await fleet.depth(of: queue) == 0 }
      }
      #expect(server.program.exitStatus == nil && server.program.count("Worker is consuming from") == 1)
      try await eventually("the log tells of each") { server.program.count("Dead letter ") >= bad.count }
      #expect(server.program.count("Dead letter ") == bad.count)
      let reasons = try await fleet.withChannel { channel in
        let consumer = try await channel.consume(Topology.deadLettersQueue, noAck: true)
        var reasons: [FieldValue?] = []
        while reasons.count < bad.count { reasons += try await consumer.nextBatch().map { $0.message.headers["reason"] } }
        return reasons
      }
      for reason in reasons { if case .text(let text) = reason { #expect(!text.isEmpty) } else { Issue.record("no reason") } }
    }
  }

  @Test func rowsThatCannotBeSentAreClosedWithTheReasonAndTheOthersGo() async throws {
    try await withFleet { fleet in
      let server = try await fleet.startServer()
      try await fleet.createClient()
      _ = try await fleet.startAgent("agent-001", server)
      var bad: [String] = []
      for parameters in ["{", "nonsense", String(repeating: "[", count: 5000)] {
        bad.append(try await fleet.insertCommand(for: "agent-001", parameters: parameters))
      }
      bad.append(try await fleet.insertCommand("", for: "agent-001"))
      let good = try await fleet.insertCommand(for: "agent-001", parameters: #"{"count": 1}"#)
      let urgent = try await fleet.insertCommand(for: "agent-001")
      try await fleet.execute("UPDATE commands SET priority = 2147483647, timeout_seconds = 60 WHERE id = ?", [.text(urgent)])
      for id in bad {
        let row = try await fleet.result(of: id)
        #expect(row.status == "undeliverable" && row.error?.isEmpty == false, "\(row)")
      }
      #expect(try await fleet.result(of: good).status == "succeeded")
      _ = try await fleet.result(of: urgent)
      #expect(server.program.exitStatus == nil)
    }
  }
}
