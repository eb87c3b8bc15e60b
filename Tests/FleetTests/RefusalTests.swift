import FleetProtocol
import Foundation
import ServiceRuntime
import TestSupport
import Testing

/// Whom the server refuses, and that everybody is told in the guide's words.
@Suite struct RefusalTests {
  private static let wrongToken = "abc12345-dead-4bee-8bad-f00d0000xyz9"

  @Test func wrongTokensAndDisabledClientsEndTheStartInTheGuidesWords() async throws {
    try await withFleet { fleet in
      let server = try await fleet.startServer()
      let disabledToken = UUID().uuidString.lowercased()
      try await fleet.createClient("closed", token: disabledToken, isActive: false)
      let wrong = try await fleet.launchAgent("wrong", server, token: Self.wrongToken)
      let disabled = try await fleet.launchAgent("disabled", server, token: disabledToken)

      #expect(try await wrong.waitForExit() == .exited(3))
      expectInOrder(
        wrong,
        [
          "ERROR - HTTP error 401: POST \(server.url)/api/broker/credentials", #"ERROR - Response: {"error": "Invalid client token"}"#,
          "ERROR - Authentication failed - check CLIENT_TOKEN configuration", "ERROR - Current token: abc12345...xyz9",
        ])
      #expect(try await disabled.waitForExit() == .exited(3))
      expectInOrder(
        disabled,
        [
          "ERROR - HTTP error 403: POST \(server.url)/api/broker/credentials",
          #"ERROR - Response: {"error": "Client account is not active"}"#,
          "ERROR - Authentication failed - check CLIENT_TOKEN configuration",
        ])
      try await server.program.waitForLine(
        containing: "WARNING - Invalid client token attempt - token: abc12345...xyz9, endpoint: /api/broker/credentials")
      let events = try await fleet.rows("SELECT * FROM system_events WHERE event_type = 'auth_failed' ORDER BY timestamp DESC LIMIT 20")
      #expect(events.count >= 1)
      #expect(try await fleet.number("SELECT COUNT(*) AS n FROM agents") == 0)
      for text in [wrong.output, disabled.output, server.program.output] {
        #expect(!text.contains(Self.wrongToken) && !text.contains(disabledToken))
      }
    }
  }

  /// `403` and `401` of a running agent, at the same time on two clients.
  @Test func aClientDisabledOrGivenAnotherTokenIsRefusedAtItsNextHeartbeatsAndTakenBackLater() async throws {
    try await withFleet { fleet in
      let server = try await fleet.startServer()
      let otherToken = UUID().uuidString.lowercased()
      try await fleet.createClient()
      try await fleet.createClient("rotated", token: otherToken)
      let first = try await fleet.startAgent("first", server)
      let second = try await fleet.launchAgent("second", server, token: otherToken)
      try await second.waitForLine(containing: "takes its commands from the queue")
      for name in ["first", "second"] { try await fleet.waitForAgent(name, "is online") { $0.status == "online" } }

      try await fleet.execute("UPDATE clients SET is_active = 0 WHERE id = ?", [.text(Fleet.clientID)])
      try await fleet.execute("UPDATE clients SET client_token = ? WHERE id = 'rotated'", [.text(UUID().uuidString)])
      let lines = ["AMQP error 403: PUBLISH ", "AMQP error 401: PUBLISH "]
      for (program, line) in zip([first, second], lines) { try await program.waitForLine(containing: "ERROR - \(line)") }
      expectInOrder(
        first,
        [
          "ERROR - AMQP error 403: PUBLISH amqp://127.0.0.1:\(fleet.services.port)/\(fleet.virtualHost)/heartbeat.\(Fleet.clientID).first",
          #"ERROR - Response: {"error": "Client account is not active"}"#,
          "ERROR - Authentication failed - check CLIENT_TOKEN configuration",
        ])
      expectInOrder(
        second,
        [
          "ERROR - AMQP error 401: PUBLISH amqp://127.0.0.1:\(fleet.services.port)/\(fleet.virtualHost)/heartbeat.rotated.second",
          #"ERROR - Response: {"error": "Invalid client token"}"#, "ERROR - Authentication failed - check CLIENT_TOKEN configuration",
          "ERROR - Current token: \(tokenPreview(otherToken))",
        ])
      for name in ["first", "second"] { try await fleet.waitForAgent(name, "is offline") { $0.status == "offline" } }
      let sources = try await fleet.rows("SELECT DISTINCT source FROM system_events WHERE event_type = 'auth_failed'")
      #expect(Set(try sources.map { try $0.string("source") }) == ["heartbeat.\(Fleet.clientID).first", "heartbeat.rotated.second"])

      try await fleet.execute("UPDATE clients SET is_active = 1 WHERE id = ?", [.text(Fleet.clientID)])
      try await fleet.execute("UPDATE clients SET client_token = ? WHERE id = 'rotated'", [.text(otherToken)])
      for name in ["first", "second"] { try await fleet.waitForAgent(name, "is online again") { $0.status == "online" } }
      #expect(first.exitStatus == nil && second.exitStatus == nil)
      for name in ["first", "second"] { #expect(try await fleet.agent(name)?.generation == 1) }
    }
  }

  /// The lines stand one under the other, whatever the time in front of them.
  private func expectInOrder(_ program: Program, _ expected: [String]) {
    let lines = program.lines
    let start = lines.firstIndex { $0.hasSuffix(expected[0]) }
    guard let start else {
      Issue.record("'\(expected[0])' is not in:\n\(program.output)")
      return
    }
    let found = lines[start...].prefix(expected.count)
    for (line, text) in zip(found, expected) { #expect(line.hasSuffix(text), "\(program.output)") }
    #expect(found.count == expected.count)
  }
}
