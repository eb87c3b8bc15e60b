import FleetProtocol
import HTTP
import ServiceRuntime
import Testing

@testable import Server

/// Every call of a v4 agent, and the words it is answered with.
@Suite struct PollingAnswerTests {
  @Test func everyCallIsAnsweredAsV4AgentsKnowIt() async throws {
    try await PollingBench.run { bench in
      let registered = try await bench.send("POST", "/api/agents/register", bench.registration("web-1"))
      #expect(registered.status == 200 && registered.body["client_id"] == "c1")
      guard case .string(let id)? = registered.body["agent_id"], case .object(let config)? = registered.body["config"] else {
        Issue.record("\(registered.text)")
        return
      }
      #expect(Set(config.keys) == Set(AgentConfiguration.keys.map(\.name)) && config["terminate_wait_seconds"] == 300)
      let agent = "/api/agents/\(id)"
      #expect(try await bench.beat(id).text == #"{"success":true}"#)
      #expect(try await bench.send("GET", "\(agent)/config").body == .object(config))
      #expect(try await bench.send("GET", "\(agent)/pending-commands").text == "[]")
      let parameters: JSONValue = [
        "target_mode": "spot", "target_pool_id": 7, "terminate_wait_seconds": 120, "else": "is not the agent's",
      ]
      let command = try await bench.command(id, "switch", parameters, priority: 75)
      guard case .array(let polled) = try await bench.send("GET", "\(agent)/pending-commands").body,
        case .object(let fields)? = polled.first,
        case .string(let created)? = fields["created_at"]
      else {
        Issue.record("no command")
        return
      }
      let expected: [String: JSONValue] = [
        "id": .string(command), "instance_id": "i-1", "command_type": "switch", "target_mode": "spot", "target_pool_id": 7, "priority": 75,
        "terminate_wait_seconds": 120, "created_at": .string(created),
      ]
      #expect(polled.count == 1 && fields == expected)
      #expect(Timestamp(text: created) != nil && created.hasSuffix("+00:00"))
      let done = try await bench.send("POST", "\(agent)/commands/\(command)/executed", #"{"success":true,"message":"switched"}"#)
      #expect(done.status == 200 && done.text == #"{"success":true}"#)
      let end = try await bench.send(
        "POST", "\(agent)/termination-imminent",
        #"{"instance_id":"i-1","termination_time":"2026-11-25T09:22:00Z","action":"terminate","more":{"x":1}}"#)
      #expect(end.status == 200 && end.body["success"] == true)
      let hint = try await bench.send(
        "POST", "\(agent)/rebalance-recommendation", #"{"instance_id":"i-1","detected_at":"2026-11-25T09:20:00.123456"}"#)
      #expect(hint.status == 200 && hint.body["success"] == true && hint.body["action"] == "monitor")
      for report in ["pricing-report", "switch-report", "cleanup-report"] {
        let answer = try await bench.send("POST", "\(agent)/\(report)", #"{"anything":[1,2,{"x":null}]}"#)
        #expect(answer.status == 200 && answer.text == #"{"success":true}"#)
      }
      #expect(try await bench.send("GET", "\(agent)/replicas?status=launching").text == "[]")

      #expect(try await bench.events(of: id) == ["agent.registered", "agent.interruption", "agent.rebalance"])
      let row = try #require(try await bench.database.agents.find(id: id))
      #expect(row.transport == "http" && row.queue == nil && row.status == .online && row.monitoredInstances == ["i-1"])
      let kept = try await bench.database.sql(
        "SELECT event_type, metadata FROM system_events WHERE event_type LIKE 'agent\\_%\\_report' ORDER BY id")
      #expect(try kept.map { try $0.string("event_type") } == ["agent_pricing_report", "agent_switch_report", "agent_cleanup_report"])
      #expect(try kept[1].string("metadata") == #"{"anything":[1,2,{"x":null}]}"#)
    }
  }

  @Test func refusalsReadAsV4AgentsAndOperatorsKnowThem() async throws {
    try await PollingBench.run { bench in
      let id = try await bench.register("web-1")
      let calls = [
        ("POST", "/api/agents/register"), ("POST", "/api/agents/\(id)/heartbeat"), ("GET", "/api/agents/\(id)/config"),
        ("GET", "/api/agents/\(id)/pending-commands"), ("POST", "/api/agents/\(id)/commands/x/executed"),
        ("POST", "/api/agents/\(id)/termination-imminent"), ("POST", "/api/agents/\(id)/rebalance-recommendation"),
        ("POST", "/api/agents/\(id)/pricing-report"), ("POST", "/api/agents/\(id)/switch-report"),
        ("POST", "/api/agents/\(id)/cleanup-report"), ("GET", "/api/agents/\(id)/replicas?status=launching"),
      ]
      for (method, path) in calls {
        let missing = try await bench.send(method, path, "{}", header: "Bearer  ")
        #expect(missing.status == 401 && missing.text == #"{"error":"Missing client token"}"#, "\(path)")
        let wrong = try await bench.send(method, path, "{}", header: "Bearer abc12345-wrong-token-xyz9")
        #expect(wrong.status == 401 && wrong.text == #"{"error":"Invalid client token"}"#, "\(path)")
      }
      #expect(bench.logged("Invalid client token attempt - token: abc12345...xyz9, endpoint: /api/agents/register"))
      #expect(try await bench.send("GET", "/api/agents/\(id)/config", header: "Bearer   \(bench.token) \t ").status == 200)

      let other = try await bench.database.clients.create(id: "c2", name: "Two", email: nil).account.token
      let bodies = [
        "heartbeat": #"{"status":"online","monitored_instances":[]}"#, "executed": #"{"success":true,"message":""}"#,
        "termination-imminent": #"{"instance_id":"i-1","termination_time":"2026-01-31T05:26:47Z"}"#,
        "rebalance-recommendation": #"{"instance_id":"i-1","detected_at":"2026-01-31T05:26:47Z"}"#,
      ]
      for (method, path) in calls.dropFirst() {
        let body = bodies.first { path.hasSuffix($0.key) }?.value ?? "{}"
        let unknown = try await bench.send(method, path.replacing(id, with: "no-such-agent"), body)
        #expect(unknown.status == 404 && unknown.text == #"{"error":"Agent not found"}"#, "\(path)")
        let foreign = try await bench.send(method, path, body, header: "Bearer \(other)")
        #expect(foreign.status == 404 && foreign.text == #"{"error":"Agent not found"}"#, "another client's agent is as unknown as none")
        let wrongMethod = try await bench.send(method == "GET" ? "PUT" : "GET", path, body)
        #expect(wrongMethod.status == 405, "\(path)")
      }
      let nothing = try await bench.send("POST", "/api/agents/\(id)/commands/no-such-command/executed", bodies["executed"] ?? "")
      #expect(nothing.status == 404 && nothing.text == #"{"error":"Command not found"}"#)
      #expect(try await bench.send("POST", "/api/agents/\(id)/unheard-of", "{}").status == 404)

      _ = try await bench.database.clients.setActive(false, id: "c1")
      for (method, path) in calls {
        let inactive = try await bench.send(method, path, "{}")
        #expect(inactive.status == 403 && inactive.text == #"{"error":"Client account is not active"}"#, "\(path)")
      }
    }
  }

  @Test func badBodiesAreNamedFieldByFieldAndChangeNothing() async throws {
    try await PollingBench.run { bench in
      let id = try await bench.register("web-1")
      let agent = "/api/agents/\(id)"
      let long = String(repeating: "x", count: 300)
      let cases: [(path: String, body: String, fields: Set<String>)] = [
        ("/api/agents/register", "", ["body"]), ("/api/agents/register", "{", ["body"]), ("/api/agents/register", "[]", ["body"]),
        ("/api/agents/register", "{}", ["client_token", "logical_agent_id", "instance_id", "instance_type", "region", "az"]),
        ("/api/agents/register", bench.registration("").replacing("us-east-1a", with: long), ["logical_agent_id"]),
        ("/api/agents/register", bench.registration("a").replacing("us-east-1a", with: long), ["az"]),
        ("/api/agents/register", bench.registration("a").replacing(#""spot""#, with: #""cheap""#), ["mode"]),
        ("/api/agents/register", bench.registration("a").replacing(bench.token, with: "another"), ["client_token"]),
        ("/api/agents/register", bench.registration("a\\u0000b"), ["logical_agent_id"]),
        ("/api/agents/register", bench.registration("a").replacing("null", with: "7"), ["hostname"]),
        ("\(agent)/heartbeat", "null", ["body"]), ("\(agent)/heartbeat", "{}", ["status", "monitored_instances"]),
        ("\(agent)/heartbeat", #"{"status":"asleep","monitored_instances":null}"#, ["status", "monitored_instances"]),
        ("\(agent)/heartbeat", #"{"status":"online","monitored_instances":["i",7]}"#, ["monitored_instances[1]"]),
        ("\(agent)/heartbeat", #"{"status":"online","monitored_instances":[],"az":"\#(long)"}"#, ["az"]),
        ("\(agent)/heartbeat", String(repeating: "[", count: 5000), ["body"]),
        ("\(agent)/commands/x/executed", #"{"success":"yes","message":1}"#, ["success", "message"]),
        ("\(agent)/termination-imminent", #"{"instance_id":"i-1"}"#, ["termination_time"]),
        ("\(agent)/termination-imminent", #"{"instance_id":null,"termination_time":"soon"}"#, ["instance_id", "termination_time"]),
        ("\(agent)/rebalance-recommendation", #"{"instance_id":"i-1","detected_at":"2026-02-31T00:00:00Z"}"#, ["detected_at"]),
        ("\(agent)/pricing-report", "[1]", ["body"]), ("\(agent)/switch-report", "\u{FEFF}{}", ["body"]),
      ]
      for (path, body, fields) in cases {
        let answer = try await bench.send("POST", path, body)
        #expect(answer.status == 400 && answer.body["error"] == "Validation failed", "\(path) \(body.prefix(60))")
        guard case .object(let details)? = answer.body["details"] else {
          Issue.record("no details: \(answer.text)")
          continue
        }
        #expect(Set(details.keys) == fields, "\(path) \(body.prefix(60)): \(answer.text)")
        for (field, problems) in details {
          guard case .array(let texts) = problems, !texts.isEmpty else {
            Issue.record("\(field) has no text")
            continue
          }
        }
      }
      let absurd = String(repeating: "z", count: 3000)
      #expect(try await bench.beat(absurd).status == 404)
      #expect(try await bench.send("POST", "\(agent)/commands/\(absurd)/executed", #"{"success":true,"message":""}"#).status == 404)
      #expect(try await bench.database.agents.list().rows.count == 1)
      #expect(try await bench.events(of: id) == ["agent.registered"])
    }
  }

  @Test func reportsAreKeptWithinBounds() async throws {
    try await PollingBench.run { bench in
      let id = try await bench.register("web-1")
      for _ in 1...3 { try await bench.send("POST", "/api/agents/\(id)/pricing-report", "{}") }
      #expect(try await bench.database.number("SELECT COUNT(*) AS n FROM system_events WHERE event_type = 'agent_pricing_report'") == 1)
      let large = #"{"x":"\#(String(repeating: "y", count: PollingDesk.reportBytes))"}"#
      try await bench.send("POST", "/api/agents/\(id)/switch-report", large)
      let rows = try await bench.database.sql("SELECT message, metadata FROM system_events WHERE event_type = 'agent_switch_report'")
      let kept = try #require(rows.first)
      #expect(try kept.optionalString("metadata") == nil)
      #expect(try kept.string("message").contains("more than the 16384"))
    }
  }
}
