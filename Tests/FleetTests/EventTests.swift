import AMQP
import FleetProtocol
import Foundation
import MySQL
import Server
import ServiceRuntime
import SignedMessages
import TestSupport
import Testing

/// Events and reactions as an operator and a subscriber meet them, with real processes.
@Suite struct EventTests {
  private func spotctl(_ fleet: Fleet, _ words: String...) async throws -> (code: Int32, lines: [String], text: String) {
    let program = try await fleet.run("spotctl", words, fleet.serverEnvironment())
    guard case .exited(let code) = try await program.waitForExit() else { return (-1, program.lines, program.output) }
    return (code, program.lines, program.output)
  }

  /// Sends a notice as the agent would, with the server's login.
  private func sendNotice(_ fleet: Fleet, of name: String, at time: Timestamp = .now()) async throws {
    let row = try #require(try await fleet.rows("SELECT id, instance_id FROM agents WHERE logical_agent_id = ?", [.text(name)]).first)
    let notice = SpotNotice(
      agentID: try row.string("id"), kind: .interruption, action: "terminate", time: time, instanceID: try row.string("instance_id"),
      sentAt: .now())
    let key = try AgentAddress(clientID: Fleet.clientID, logicalAgentID: name).routingKey(.notice)
    var message = Message(body: try WireCoding.encode(notice), contentType: "application/json", type: "notice", messageID: randomUUID())
    message.timestamp = UInt64(Timestamp.now().seconds)
    try message.sign(with: SigningKey(clientToken: fleet.token), routingKey: key)
    let signed = message
    try await fleet.withChannel { channel in
      try await channel.enableConfirms()
      try await channel.publish(Publication(signed, to: Topology.inboxExchange, routingKey: key))
    }
  }

  @Test func aNoticeMakesAnotherAgentRunACommandAndEverybodyCanSeeIt() async throws {
    try await withFleet { fleet in
      let server = try await fleet.startServer()
      try await fleet.createClient()
      let follower = try await fleet.run(
        "spotctl", ["events", "--follow", "--filter", "#", "--client", Fleet.clientID], fleet.serverEnvironment())
      let subscriber = try await pythonSubscriber(fleet, "agent.*")
      _ = try await fleet.startAgent("web-1", server)
      let replica = try await fleet.startAgent("web-2", server)
      try await follower.waitForLine(containing: "logical_agent_id=web-2")
      let added = try await spotctl(
        fleet, "reactions", "add", "fail-over", #"{"from":"{agent.logical_agent_id}"}"#, "--on", "agent.interruption", "--run", "ping",
        "--on-agents", "name=web-2", "--within", "90s")
      #expect(added.code == 0 && added.text.contains("deliver_within_seconds  90"), "\(added.text)")
      try await sendNotice(fleet, of: "web-1")
      try await replica.waitForLine(containing: "received the command")
      let line = try await follower.waitForLine(containing: "agent.interruption")
      #expect(line.contains("logical_agent_id=web-1") && line.contains("action=terminate"))
      try await follower.waitForLine(containing: "source=reaction:fail-over")
      // The subscriber's line is a CloudEvent in the JSON format.
      let json = try await subscriber.waitForLine(containing: "agent.interruption")
      let event = try WireCoding.decodeJSON(JSONValue.self, from: Array(json.utf8))
      #expect(
        event["specversion"] == "1.0" && event["clientid"] == .string(Fleet.clientID) && event["data"]?["logical_agent_id"] == "web-1")
      let tested = try await spotctl(fleet, "reactions", "test", "fail-over", "--json")
      #expect(
        tested.code == 0 && tested.text.contains(#""parameters":{"from":"web-1"}"#) && tested.text.contains("agent web-1 (")
          && tested.text.contains("nothing was changed"))
      #expect(try await fleet.number("SELECT COUNT(*) AS n FROM commands") == 1)
      #expect(try await fleet.number("SELECT COUNT(*) AS n FROM system_events WHERE event_type = 'spot_interruption'") == 1)
      follower.send(SIGINT)
      #expect(try await follower.waitForExit() == .exited(0))
    }
  }

  private func pythonSubscriber(_ fleet: Fleet, _ filter: String) async throws -> Program {
    // Debian's own Python, which has Debian's packages.
    let program = try await Program.tool(
      "/usr/bin/python3", ["\(LocalServices.repository)/examples/subscribe-events.py", "--filter", filter, "--queue", "example"],
      environment: ["AMQP_URL": fleet.amqpURL])
    try await program.waitForLine(containing: "bound to \(filter)")
    return program
  }

  @Test func theSubscribersExampleShowsAnEventThatComesTwiceOnce() async throws {
    try await withFleet { fleet in
      _ = try await fleet.startServer()
      let program = try await pythonSubscriber(fleet, "client.*")
      #expect(try await spotctl(fleet, "clients", "create", "Once", "--id", "once").code == 0)
      try await program.waitForLine(containing: "\"subject\": \"once\"")
      try await fleet.execute("UPDATE fleet_events SET published_at = NULL")
      try await eventually("it was published again") {
        try await fleet.number("SELECT COUNT(*) AS n FROM fleet_events WHERE published_at IS NULL") == 0
      }
      #expect(try await spotctl(fleet, "clients", "disable", "once").code == 0)
      try await program.waitForLine(containing: "client.disabled")
      #expect(program.count("client.created") == 1)
      try await program.stop()
    }
  }

  @Test(.timeLimit(.minutes(15))) func aServerThatIsKilledWhileItPublishesLosesNoEvent() async throws {
    try await withFleet { fleet in
      let first = try await fleet.startServer(role: "worker")
      try await fleet.withChannel { channel in
        _ = try await channel.declareQueue("all-events")
        try await channel.bindQueue("all-events", to: Topology.eventsExchange, routingKey: "rollout.*")
      }
      let count = 30_000
      for start in stride(from: 0, to: count, by: 1000) {
        let rows = (start..<start + 1000).map { "(UUID(), 'rollout.paused', 's\($0)', '{}')" }.joined(separator: ",")
        try await fleet.execute("INSERT INTO fleet_events (id, type, subject, data) VALUES \(rows)")
      }
      let waiting = "SELECT COUNT(*) AS n FROM fleet_events WHERE published_at IS NULL AND type = 'rollout.paused'"
      try await eventually("it is in the middle of it") { try await fleet.number(waiting) < count - 2000 }
      first.program.send(SIGKILL)
      try await first.program.waitForExit()
      _ = try await fleet.startServer(role: "worker")
      try await eventually("the next one has done the rest", timeout: .seconds(90)) { try await fleet.number(waiting) == 0 }
      let subjects = try await fleet.withChannel { channel in
        let waiting = try await channel.queueStatus("all-events").messageCount
        let consumer = try await channel.consume("all-events", noAck: true)
        var subjects: Set<String> = []
        var seen = 0
        while seen < waiting {
          for delivery in try await consumer.nextBatch() {
            seen += 1
            if let subject = CloudEvent.event(of: delivery.message)?.subject { subjects.insert(subject) }
          }
        }
        return subjects
      }
      #expect(subjects.count == count)
    }
  }

  @Test(.timeLimit(.minutes(15))) func whoFollowsMissesNothingWhileTheBrokerIsAway() async throws {
    let services = try await LocalServices.separate()
    do {
      try await follow(services)
      try await services.stop()
    } catch {
      try await services.stop()
      throw error
    }
  }

  private func follow(_ services: LocalServices) async throws {
    try await withFleet(on: services) { fleet in
      _ = try await fleet.startServer(role: "worker")
      #expect(try await spotctl(fleet, "clients", "create", "Past", "--id", "past").code == 0)
      let follower = try await fleet.run("spotctl", ["events", "--follow", "--since", "1h", "--json"], fleet.serverEnvironment())
      try await follower.waitForLine(containing: #""subject":"past""#)
      #expect(try await spotctl(fleet, "clients", "create", "One", "--id", "one").code == 0)
      try await follower.waitForLine(containing: #""subject":"one""#)
      try await services.stopBroker()
      try await follower.waitForLine(containing: "the broker is away")
      #expect(try await spotctl(fleet, "clients", "create", "Two", "--id", "two").code == 0)
      try await services.startBroker()
      try await follower.waitForLine(containing: "the broker is back", timeout: .seconds(60))
      try await follower.waitForLine(containing: #""subject":"two""#)
      try await eventually("it is published", timeout: .seconds(60)) {
        try await fleet.number("SELECT COUNT(*) AS n FROM fleet_events WHERE published_at IS NULL") == 0
      }
      #expect(try await spotctl(fleet, "clients", "create", "Three", "--id", "three").code == 0)
      try await follower.waitForLine(containing: #""subject":"three""#, timeout: .seconds(60))
      for id in ["past", "one", "two", "three"] { #expect(follower.count("\"subject\":\"\(id)\"") == 1, "\(follower.output)") }
      follower.send(SIGTERM)
      #expect(try await follower.waitForExit() == .exited(0))
    }
  }

  @Test func theToolSaysWhatIsWrongAndWhatThereIs() async throws {
    try await withFleet { fleet in
      _ = try await fleet.startServer(role: "worker")
      try await fleet.createClient()
      #expect(try await spotctl(fleet, "events").text == "No events.")
      #expect(try await spotctl(fleet, "events", "--filter", "agents.*").code == 2)
      let limited = try await spotctl(fleet, "events", "--follow", "--limit", "3")
      #expect(limited.code == 2 && limited.text.contains("--limit means nothing with --follow"))
      for name in ["a", "b", "c"] { #expect(try await spotctl(fleet, "clients", "create", name, "--id", name).code == 0) }
      let newest = try await spotctl(fleet, "events", "--limit", "2")
      #expect(newest.lines.count == 2 && newest.text.contains("client.created") && !newest.text.contains("only the newest"))
      #expect(newest.lines[0].hasSuffix("  b"), "the newest, in the order of time: \(newest.text)")
      let json = try await spotctl(fleet, "events", "--since", "1h", "--filter", "client.*", "--client", "c", "--json")
      guard case .array(let rows) = try WireCoding.decodeJSON(JSONValue.self, from: Array(json.text.utf8)) else {
        Issue.record("\(json.text)")
        return
      }
      #expect(rows.count == 1 && rows[0]["type"] == "client.created" && rows[0]["data"]?["name"] == "c")
      let unreachable = try await fleet.run(
        "spotctl", ["events", "--follow"], fleet.serverEnvironment(["AMQP_URL": "amqp://u:SECRET@127.0.0.1:1/v"]))
      #expect(try await unreachable.waitForExit() == .exited(5))
      #expect(unreachable.output.contains("check AMQP_URL") && !unreachable.output.contains("SECRET"))
    }
  }

  @Test func reactionsAreAddedShownSwitchedAndRemoved() async throws {
    try await withFleet { fleet in
      _ = try await fleet.startServer(role: "worker")
      try await fleet.createClient()
      #expect(try await spotctl(fleet, "reactions", "list").text.contains("No reactions."))
      let missing = try await spotctl(fleet, "reactions", "add", "r", "--run", "ping", "--on-agents", "self")
      #expect(missing.code == 2 && missing.text.contains("--on is missing"))
      func add(_ more: String...) async throws -> (code: Int32, text: String) {
        let program = try await fleet.run(
          "spotctl", ["reactions", "add", "r", "--on", "agent.rebalance", "--run", "ping"] + more, fleet.serverEnvironment())
        guard case .exited(let code) = try await program.waitForExit() else { return (-1, program.output) }
        return (code, program.output)
      }
      let unknown = try await add("--on-agents", "name={agent.hostname}")
      #expect(unknown.code == 2 && unknown.text.contains("--on-agents has '{agent.hostname}'"))
      let wrong = try await add("--on-agents", "az=", "--where", "all")
      #expect(wrong.code == 2 && wrong.text.contains("^"), "the place is shown: \(wrong.text)")
      #expect(try await add("--on-agents", "self", "--within", "soon").code == 2)
      let filled = try await add("--on-agents", "self", "--where", "name={agent.id}")
      #expect(
        filled.code == 2 && filled.text.contains("--where") && filled.text.contains("only --on-agents of a reaction"), "\(filled.text)")
      let configuring = try await spotctl(
        fleet, "reactions", "add", "c", "--on", "agent.rebalance", "--run", "configure", "--on-agents", "self")
      #expect(configuring.code == 2 && configuring.text.contains("--run is 'configure'"), "\(configuring.text)")
      #expect(try await add("--on-agents", "self", "--client", "nobody").code == 3)
      let made = try await add("--on-agents", "self", "--where", "mode=spot", "--client", Fleet.clientID, "--limit", "5", "--json")
      #expect(made.code == 0 && made.text.contains(#""limit_per_minute":5"#) && made.text.contains(#""deliver_within_seconds":3600"#))
      let again = try await add("--on-agents", "self")
      #expect(again.code == 1 && again.text.contains("spotctl reactions remove r"))
      #expect(try await spotctl(fleet, "reactions", "disable", "r").text.contains("is_enabled              no"))
      #expect(try await spotctl(fleet, "reactions", "enable", "r").text.contains("is_enabled              yes"))
      let early = try await spotctl(fleet, "reactions", "test", "r")
      #expect(early.code == 3 && early.text.contains("there was no agent.rebalance so far"))
      #expect(try await spotctl(fleet, "reactions", "test", "r", "--event", "x").code == 3)
      _ = try await fleet.execute("INSERT INTO fleet_events (id, type, subject, data) VALUES ('e-1', 'command.failed', 'c-1', '{}')", [])
      let other = try await spotctl(fleet, "reactions", "test", "r", "--event", "e-1")
      #expect(other.code == 2 && other.text.contains("is a command.failed, which is not about an agent"), "\(other.text)")
      #expect(try await spotctl(fleet, "reactions", "list").text.contains("agent.rebalance"))
      #expect(try await spotctl(fleet, "reactions", "remove", "r").code == 0)
      for word in ["show", "enable", "disable", "remove", "test"] { #expect(try await spotctl(fleet, "reactions", word, "r").code == 3) }
    }
  }
}
