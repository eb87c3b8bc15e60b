import AMQP
import FleetProtocol
import ServiceRuntime
import TestSupport
import Testing

@testable import Server

/// The first result of a command counts; what is nobody's is kept with its reason.
@Suite struct ResultDeskTests {
  @Test func acceptsTheFirstAndKeepsWhatItCannotUse() async throws {
    try await Bench.run { bench in
      try await bench.client("c1")
      try await bench.client("c2")
      let (mine, other, foreign) = (
        try await bench.register("a1"), try await bench.register("a2"), try await bench.register("b1", client: "c2")
      )
      let first = try await bench.database.commands.insert(agentID: mine.agentID, commandType: "ping")
      let second = try await bench.database.commands.insert(agentID: mine.agentID, commandType: "ping")
      // Written our way it is longer than any message may be; as it came it is not.
      let growing = JSONText(#"{"a":[\#(Array(repeating: "1e9", count: 60_000).joined(separator: ","))]}"#)
      let long = try growing.result(of: mine, commandID: second)
      var stolen = try bench.result(second, of: other)
      stolen.message.headers["case"] = .text("stolen")
      try await bench.peer.publish([
        try bench.result(first, of: mine, output: .string("one")),
        try bench.result(first, of: mine, output: .string("two"), status: .failed),
        stolen, try bench.result(second, of: foreign), try bench.result("no-such-command", of: mine), long,
        try bench.result(second, of: mine, output: .string("three")),
      ])
      // Output is for those who follow it: without one the broker drops it, and no worker sees it.
      try await bench.peer.publish([
        Publication(
          try BenchMessage.signed([0x7b, 0x7d], type: "output", routingKey: "output.c1.a1"), to: Topology.inboxExchange,
          routingKey: "output.c1.a1", mandatory: false)
      ])
      try await bench.peer.publish(try BenchMessage.signed([0x7b, 0x7d], type: "heartbeat", routingKey: "result.c1.a1"), "result.c1.a1")
      try await eventually("both have their result") {
        let rows = try await bench.database.commands.list().rows
        return rows.count == 2 && rows.allSatisfy { $0.status == .succeeded }
      }
      #expect(try await bench.database.commands.find(id: first)?.output == "\"one\"")
      let letters = try await bench.deadLetters(5)
      let reasons = letters.compactMap { letter in if case .text(let text) = letter.message.headers["reason"] { text } else { nil } }
      #expect(reasons.count { $0.contains("has no command \(second)") } == 2)
      #expect(reasons.contains { $0.contains("has no command no-such-command") })
      #expect(reasons.contains { $0.contains("its type is 'heartbeat'; the routing key wants 'progress' or 'result'") }, "\(reasons)")
      #expect(!reasons.contains { $0.contains("output.c1.a1") || $0.contains("'output'") })
      #expect(reasons.contains { $0.contains("are the most") }, "\(reasons)")
      try await bench.expectEmptyAfterStop()
      #expect(bench.log.count("Worker is consuming") == 1)
    }
  }

  @Test func keepsTheResultOfAClientThatIsDisabledForAnHour() async throws {
    try await Bench.run { bench in
      try await bench.client("c1")
      let agent = try await bench.register("a1")
      let command = try await bench.database.commands.insert(agentID: agent.agentID, commandType: "ping")
      _ = try await bench.database.clients.setActive(false, id: "c1")
      // The account is remembered for a few seconds.
      try await eventually("the client is refused") {
        let result = try bench.result(command, of: agent)
        try await bench.peer.publish([result])
        return try await bench.database.sql("SELECT 1 FROM system_events WHERE event_type = 'auth_failed'").isEmpty == false
      }
      let letters = try await bench.deadLetters(1)
      #expect(letters.contains { $0.message.headers["reason"] == .text("403 Client account is not active: client 'c1' is disabled") })
    }
  }
}

/// A result whose output is written as it stands.
private struct JSONText {
  let output: String
  init(_ output: String) { self.output = output }

  func result(of agent: RegistrationReply, commandID: String) throws -> Publication {
    let time = "2025-11-25T05:26:47.000Z"
    let body = """
      {"command_id":"\(commandID)","agent_id":"\(agent.agentID)","status":"succeeded","output":\(output),"started_at":"\(time)",\
      "finished_at":"\(time)","sent_at":"\(time)"}
      """
    let key = "result.\(agent.clientID).\(agent.logicalAgentID)"
    return Publication(
      try BenchMessage.signed(Array(body.utf8), type: "result", routingKey: key), to: Topology.inboxExchange, routingKey: key)
  }
}
