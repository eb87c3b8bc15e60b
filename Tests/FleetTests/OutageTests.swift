import AMQP
import FleetProtocol
import Foundation
import ServiceRuntime
import TestSupport
import Testing

/// Servers, broker and database stopped under a running fleet. One after the other, on a pair of their own.
@Suite(.serialized) struct OutageTests {
  /// Started at the first use; ends with the test process.
  private actor Pair {
    static let shared = Pair()
    private var services: LocalServices?

    func get() async throws -> LocalServices {
      if let services { return services }
      let started = try await LocalServices.separate()
      services = started
      return started
    }
  }

  private func withFleetOfItsOwn(_ body: (Fleet) async throws -> Void) async throws {
    let services = try await Pair.shared.get()
    do {
      try await withFleet(on: services, body)
    } catch {
      // What a failed test left stopped must not fail the next one.
      try await services.startBroker()
      try await services.startDatabase()
      throw error
    }
  }

  @Test func withoutAnyServerAgentsComeBackToARestartedBrokerAndNothingIsLost() async throws {
    try await withFleetOfItsOwn { fleet in
      let server = try await fleet.startServer()
      try await fleet.createClient()
      var agents: [Program] = []
      for name in ["agent-001", "agent-002", "agent-003"] { agents.append(try await fleet.startAgent(name, server)) }
      #expect(try await server.program.stopInGoodOrder().status == .exited(0))

      try await fleet.services.restartBroker()
      for agent in agents {
        try await agent.waitForLine(containing: "lost its connection to the broker")
        try await eventually("the agent is back", timeout: .seconds(60)) { agent.count("takes its commands from the queue") == 2 }
      }
      let depth = try await fleet.depth(of: Topology.heartbeatsQueue)
      try await eventually("heartbeats wait for a server") { try await fleet.depth(of: Topology.heartbeatsQueue) >= depth + 6 }
      let command = try await fleet.insertCommand(for: "agent-002")

      let next = try await fleet.startServer()
      #expect(try await fleet.result(of: command).status == "succeeded")
      try await expectNobodyOffline(fleet, next)
      for agent in agents { #expect(agent.count("is registered for the client") == 1, "a reconnect is no registration") }
    }
  }

  @Test func aServerAwayForLongerThanTheTimeoutCallsNobodyOffline() async throws {
    try await withFleetOfItsOwn { fleet in
      let server = try await fleet.startServer()
      try await fleet.createClient()
      for name in ["agent-001", "agent-002"] { _ = try await fleet.startAgent(name, server) }
      try await fleet.waitForAgent("agent-002", "is online") { $0.status == "online" }
      try await server.program.stop()
      let silent = "SELECT COUNT(*) AS n FROM agents WHERE last_heartbeat_at < NOW(3) - INTERVAL 6 SECOND"
      try await eventually("the rows are older than the time-out") { try await fleet.number(silent) == 2 }
      #expect(try await fleet.depth(of: Topology.heartbeatsQueue) > 2)

      let next = try await fleet.startServer()
      try await eventually("the backlog is drained") { try await fleet.depth(of: Topology.heartbeatsQueue) == 0 }
      try await expectNobodyOffline(fleet, next)
    }
  }

  @Test func aDatabaseAwayForAWhileLosesNoHeartbeatAndRequeuesNone() async throws {
    try await withFleetOfItsOwn { fleet in
      let server = try await fleet.startServer(["AGENT_HEARTBEAT_TIMEOUT": "8"])
      try await fleet.createClient()
      let agent = try await fleet.startAgent("agent-001", server)
      let before = try await fleet.waitForAgent("agent-001", "is online") { $0.status == "online" }
      let redelivered = try await redeliveries(fleet)

      try await fleet.services.stopDatabase()
      try await server.program.waitForLine(containing: "ERROR - Database cannot be reached")
      try await eventually("health says so") { try await health(server) == 503 }
      // The worker holds what it has read, for longer than the time-out.
      try await eventually("heartbeats are held", timeout: .seconds(60)) {
        try await fleet.services.rabbitmqctl("list_queues", "-p", fleet.virtualHost, "name", "messages").split(separator: "\n")
          .contains { $0.hasPrefix("fleet.heartbeats\t") && (Int($0.split(separator: "\t")[1]) ?? 0) >= 9 }
      }
      try await fleet.services.startDatabase()
      try await server.program.waitForLine(containing: "Database is back")
      let last = try #require(before.lastHeartbeatAt)
      try await fleet.waitForAgent("agent-001", "sends heartbeats") { ($0.lastHeartbeatAt ?? last) > last }
      #expect(try await fleet.result(of: try await fleet.insertCommand(for: "agent-001")).status == "succeeded")
      try await expectNobodyOffline(fleet, server, timeout: .seconds(8))
      try await eventually("health says so") { try await health(server) == 200 }
      _ = try await fleet.startAgent("agent-002", server)
      #expect(try await redeliveries(fleet) == redelivered)
      #expect(server.program.count("Worker is consuming from") == 1, "it did not give anything back by reconnecting either")
      #expect(try await fleet.depth(of: Topology.deadLettersQueue) == 0)
      #expect(agent.exitStatus == nil && !agent.output.contains("ERROR"))
    }
  }

  @Test func theMetricsAreAnsweredWhileTheDatabaseIsAway() async throws {
    try await withFleetOfItsOwn { fleet in
      let server = try await fleet.startServer()
      try await withMetrics { metrics in
        func isUp(_ page: ParsedMetrics) -> Bool { page.value("spot_optimizer_database_up") == 1 }
        try await metrics.page(of: server.url, "the fleet is counted") { isUp($0) && $0.families["spot_optimizer_agents"] != nil }
        try await fleet.services.stopDatabase()
        let page = try await metrics.page(of: server.url, "the database is away, and the broker is not") {
          !isUp($0) && $0.value("spot_optimizer_queue_messages", ["queue": Topology.heartbeatsQueue]) == 0
        }
        // What only the database knows is not made up; what the process knows is there.
        for name in ["spot_optimizer_agents", "spot_optimizer_commands", "spot_optimizer_events_waiting"] {
          #expect(page.families[name] == nil, "\(name)")
        }
        #expect(page.value("spot_optimizer_database_up") == 0 && page.value("spot_optimizer_database_pool_size") == 4)
        #expect(page.value("spot_optimizer_broker_connected", ["connection": "consume"]) == 1)
        try await fleet.services.startDatabase()
        try await metrics.page(of: server.url, "the database is back") { isUp($0) && $0.families["spot_optimizer_agents"] != nil }
      }
    }
  }

  @Test func aBrokerRestartedUnderServerAndAgentsChangesNothingForGood() async throws {
    try await withFleetOfItsOwn { fleet in
      let server = try await fleet.startServer()
      try await fleet.createClient()
      let agent = try await fleet.startAgent("agent-001", server)
      let leaving = try await fleet.startAgent("agent-002", server)
      try await fleet.waitForAgent("agent-001", "is online") { $0.status == "online" }

      try await fleet.services.stopBroker()
      try await server.program.waitForLine(containing: "ERROR - Consuming connection to ")
      try await server.program.waitForLine(containing: "ERROR - Publishing connection to ")
      try await eventually("health says so") { try await health(server) == 503 }
      // Written while nobody can be reached.
      let command = try await fleet.insertCommand(for: "agent-001")
      try await agent.waitForLine(containing: "Connection error (attempt 1/3): PUBLISH amqp://")

      // While there is no broker, an agent does not start, and a running agent and a server stop in good order.
      let starting = try await fleet.launchAgent("agent-003", server)
      #expect(try await starting.waitForExit() == .exited(1))
      #expect(starting.output.contains("ERROR - HTTP error 503: GET \(server.url)/health"))
      #expect(starting.output.contains(#"ERROR - Response: {"error": "Broker unavailable""#))
      try await leaving.waitForLine(containing: "Connection error (attempt 1/3)")
      let (agentStatus, agentTook) = try await leaving.stopInGoodOrder()
      #expect(agentStatus == .exited(0) && agentTook < .seconds(5), "\(leaving.output)")
      let second = try await fleet.run("spot-optimizer-server", [], fleet.serverEnvironment())
      try await second.waitForLine(containing: "Consuming connection to ")
      let (serverStatus, serverTook) = try await second.stopInGoodOrder(by: SIGINT)
      #expect(serverStatus == .exited(0) && serverTook < .seconds(10), "\(second.output)")

      try await fleet.services.startBroker()
      #expect(try await fleet.result(of: command).status == "succeeded")
      let row = try await fleet.waitForAgent("agent-001", "is online") { $0.status == "online" }
      #expect(row.generation == 1 && agent.count("is registered for the client") == 1)
      try await eventually("health says so") { try await health(server) == 200 }
    }
  }

  /// A broker that knows internal users only, as one without the plugin does.
  @Test func aBrokerWithoutTheCredentialsPluginEndsTheAgentsStartWithTheRemedy() async throws {
    try await withFleetOfItsOwn { fleet in
      let set = "application:set_env(rabbit, auth_backends, "
      let before = try await fleet.services.rabbitmqctl("eval", "application:get_env(rabbit, auth_backends).")
      #expect(before.contains("rabbit_auth_backend_oauth2"))
      try await fleet.services.rabbitmqctl("eval", "\(set)[rabbit_auth_backend_internal]).")
      let server = try await fleet.startServer()
      try await fleet.createClient()
      let agent = try await fleet.launchAgent("agent-001", server)
      #expect(try await agent.waitForExit(timeout: .seconds(60)) == .exited(1))
      #expect(agent.output.contains("login refused by 127.0.0.1:\(fleet.services.port)"))
      #expect(agent.output.contains("rabbitmq_auth_backend_oauth2"), "what to look at is named")
      try await fleet.services.rabbitmqctl("eval", "\(set)[rabbit_auth_backend_internal, rabbit_auth_backend_oauth2]).")
      _ = try await fleet.startAgent("agent-001", server)
    }
  }

  /// Presence has had every chance to call somebody offline, and every agent's heartbeats are there again.
  private func expectNobodyOffline(_ fleet: Fleet, _ server: Fleet.Server, timeout: Duration = .seconds(4)) async throws {
    // A second more than it takes until silence counts.
    let settled = Timestamp.now().advanced(by: timeout + .seconds(1))
    try await eventually("heartbeats of all agents, a time-out later", timeout: .seconds(60)) {
      try await fleet.number("SELECT COUNT(*) AS n FROM agents WHERE last_heartbeat_at <= ?", [.timestamp(settled)]) == 0
    }
    #expect(try await fleet.number("SELECT COUNT(*) AS n FROM agents WHERE status <> 'online'") == 0)
    #expect(server.program.count("is offline: no heartbeat") == 0)
  }

  /// How often the broker has delivered a message of a quorum queue again, since its start.
  private func redeliveries(_ fleet: Fleet) async throws -> Int {
    let counted = try await fleet.services.rabbitmqctl(
      "eval",
      // Its counters have labels in a list, those of RabbitMQ 4.3 in a map.
      "[maps:get(messages_redelivered_total, C) || {K, C} <- maps:to_list(rabbit_global_counters:overview()), "
        + "maps:is_key(messages_redelivered_total, C), "
        + "lists:member({queue_type, rabbit_quorum_queue}, if is_map(K) -> maps:to_list(K); true -> K end)].")
    // `[3]`, in Erlang's words.
    return try #require(Int(counted.filter(\.isNumber)), "\(counted)")
  }

  private func health(_ server: Fleet.Server) async throws -> Int {
    let curl = try await Program.tool("/usr/bin/env", ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "\(server.url)/health"])
    _ = try await curl.waitForExit()
    return Int(curl.output) ?? 0
  }
}
