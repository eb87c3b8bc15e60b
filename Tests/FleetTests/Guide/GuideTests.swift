import Foundation
import TestSupport
import Testing

/// What an operator types from `docs/AGENT_CONNECTION_TROUBLESHOOTING.md`, typed into a shell against the real server and database.
@Suite struct GuideTests {
  /// A line of the page's `bash` blocks and what its answer must contain.
  struct Case: Sendable {
    let words: String
    let answer: String

    init(_ words: String, answers answer: String) {
      self.words = words
      self.answer = answer
    }
  }

  private static let mysql = "mysql -h DB_HOST -u DB_USER -p DB_NAME -e "
  /// In the page's order: the last but one deletes the agent's row.
  private static let cases = [
    Case(mysql + #""SELECT 1;""#, answers: "1"),
    Case(mysql + #""SELECT id, name, is_active FROM clients WHERE client_token = 'YOUR_TOKEN';""#, answers: "is_active"),
    Case("NEW_TOKEN=$(cat /proc/sys/kernel/random/uuid)", answers: ""),
    Case(
      mysql
        + #""INSERT INTO clients (id, name, email, client_token, is_active) VALUES (UUID(), 'My Company', 'admin@company.com', '$NEW_TOKEN', 1);""#,
      answers: ""),
    Case(mysql + #""UPDATE clients SET is_active = 1 WHERE client_token = 'YOUR_TOKEN';""#, answers: ""),
    Case(mysql + #""SELECT * FROM clients WHERE client_token = 'YOUR_TOKEN';""#, answers: "client_token"),
    Case(mysql + #""SELECT * FROM agents WHERE logical_agent_id = 'YOUR_LOGICAL_ID';""#, answers: "online"),
    Case(
      mysql
        + #""SELECT id, logical_agent_id, status, instance_id, last_heartbeat_at, TIMESTAMPDIFF(SECOND, last_heartbeat_at, NOW()) as seconds_since_heartbeat FROM agents WHERE client_id = 'YOUR_CLIENT_ID' ORDER BY last_heartbeat_at DESC;""#,
      answers: "seconds_since_heartbeat"),
    Case(
      mysql + #""SELECT * FROM system_events WHERE event_type = 'auth_failed' ORDER BY timestamp DESC LIMIT 20;""#, answers: "auth_failed"),
    Case("curl -I http://your-server:5000/health", answers: "200"),
    Case("curl http://your-server:5000/health", answers: "{"),
    Case(
      #"curl -H "Authorization: Bearer YOUR_TOKEN" -H "Content-Type: application/json" http://your-server:5000/api/agents/test-id/config"#,
      answers: "Agent not found"),
    Case(#"curl -H "Authorization: Bearer wrong" http://your-server:5000/api/agents/test-id/config"#, answers: "Invalid client token"),
    Case(#"grep "Invalid client token" /var/log/spot-optimizer/backend.log"#, answers: "endpoint: /api/"),
    Case(#"grep "agent-id-here" /var/log/spot-optimizer/backend.log"#, answers: "agent-001"),
    Case(mysql + #""DELETE FROM agents WHERE logical_agent_id = 'YOUR_LOGICAL_ID';""#, answers: ""),
  ]

  @Test func everyCommandOfTheGuideAnswersAsItSays() async throws {
    try await withFleet { fleet in
      let log = NSTemporaryDirectory() + "spot-optimizer-guide-\(UUID().uuidString).log"
      defer { try? FileManager.default.removeItem(atPath: log) }  // What is left is in the tests' own folder.
      let server = try await fleet.startServer(role: "all", ["SPOT_OPTIMIZER_LOG_FILE": log])
      try await fleet.createClient()
      _ = try await fleet.startAgent("agent-001", server)
      try await fleet.waitForAgent("agent-001", "is online") { $0.status == "online" }
      let refused = try await fleet.launchAgent("refused", server, token: UUID().uuidString)
      #expect(try await refused.waitForExit() == .exited(3))
      try await eventually("the refusal is recorded") {
        try await fleet.number("SELECT COUNT(*) AS n FROM system_events WHERE event_type = 'auth_failed'") > 0
      }
      let database = fleet.serverEnvironment()
      // -p asks at a terminal, which a test has not: the password and the port come by the client's own variables.
      let variables = [
        "MYSQL_PWD": database["DB_PASSWORD"] ?? "", "MYSQL_TCP_PORT": database["DB_PORT"] ?? "", "NEW_TOKEN": UUID().uuidString,
      ]
      let replacements = [
        ("-p DB_NAME", database["DB_NAME"] ?? ""), ("DB_HOST", database["DB_HOST"] ?? ""), ("DB_USER", database["DB_USER"] ?? ""),
        ("YOUR_TOKEN", fleet.token), ("YOUR_LOGICAL_ID", "agent-001"), ("YOUR_CLIENT_ID", Fleet.clientID),
        ("http://your-server:5000", server.url), ("/var/log/spot-optimizer/backend.log", log), ("agent-id-here", "agent-001"),
      ]
      var passed = 0
      for item in Self.cases {
        let line = replacements.reduce(item.words) { $0.replacingOccurrences(of: $1.0, with: $1.1) }
        let shell = try await Program.tool("/bin/bash", ["-c", line], environment: variables)
        let status = try await shell.waitForExit()
        let holds = status == .exited(0) && (item.answer.isEmpty || shell.output.contains(item.answer))
        #expect(holds, "\(item.words): \(status)\n\(shell.output)")
        if holds { passed += 1 }
      }
      print("guide: \(Self.cases.count) cases, \(passed) passed")
    }
  }

  /// The page must not tell an operator to type what nobody has tried.
  @Test func thePageNamesNoCommandWithoutACase() throws {
    let page = try String(contentsOfFile: "\(LocalServices.repository)/docs/AGENT_CONNECTION_TROUBLESHOOTING.md", encoding: .utf8)
    var isShell = false
    var typed: [String] = []
    for line in page.split(separator: "\n") {
      if line.hasPrefix("```") { isShell = line == "```bash" } else if isShell { typed.append(String(line)) }
    }
    #expect(Set(typed) == Set(Self.cases.map(\.words)))
  }
}
