import FleetProtocol
import MySQL
import ServiceRuntime
import TestSupport
import Testing

@testable import Server

/// What happens to agents and clients is told in the transaction in which it happens, once.
@Suite struct AgentEventTests {
  private func beat(_ agent: Agent, _ status: AgentStatus = .online, after seconds: Int = 0) -> HeartbeatUpdate {
    HeartbeatUpdate(agentKey: agent.key, status: status, sentAt: Timestamp.now().advanced(by: .seconds(seconds)))
  }

  @Test func aRegistrationIsToldOnceHoweverOftenItIsDelivered() async throws {
    try await FleetDatabase.with { database in
      let sentAt = try await database.now()
      let agent = try await database.register("web-1", sentAt: sentAt)
      try await database.register("web-1", sentAt: sentAt)
      let event = try #require(try await database.events(.agentRegistered).first)
      #expect(event.subject == agent.id && event.clientID == "c1")
      let fields = try #require(event.fields)
      #expect(fields["agent_id"] == .string(agent.id) && fields["logical_agent_id"] == "web-1" && fields["client_id"] == "c1")
      #expect(
        fields["instance_id"] == "i-web-1" && fields["az"] == "us-east-1a" && fields["generation"] == 1 && fields["status"] == "online")
      #expect(fields["previous_instance_id"] == nil)
      #expect(try await database.events(.agentRegistered).count == 1)
      #expect(try await database.events(.agentOnline).isEmpty, "an agent that was never offline is not back")
      // The same name on another instance.
      try await database.sql("UPDATE agents SET instance_id = 'i-old', interruption_action = 'stop', interruption_time = NOW(3)")
      try await database.register("web-1", session: "s2", sentAt: sentAt.advanced(by: .milliseconds(5)))
      let second = try #require(try await database.events(.agentRegistered).last?.fields)
      #expect(second["previous_instance_id"] == "i-old" && second["generation"] == 2)
      #expect(
        try await database.number("SELECT COUNT(*) AS n FROM agents WHERE interruption_action IS NULL AND interruption_time IS NULL") == 1)
    }
  }

  @Test func goingAndComingAreToldOnceEach() async throws {
    try await FleetDatabase.with { database in
      let (silent, leaving, lively) = (
        try await database.register("silent"), try await database.register("leaving"), try await database.register("lively")
      )
      try await database.sql("UPDATE agents SET last_heartbeat_at = NOW(3) - INTERVAL 10 MINUTE WHERE logical_agent_id = 'silent'")
      for _ in 0..<2 { _ = try await database.agents.markOffline(silentFor: .seconds(120)) }
      for _ in 0..<2 { _ = try await database.agents.applyHeartbeats([beat(leaving, .offline), beat(lively)]) }
      let gone = try await database.events(.agentOffline)
      #expect(gone.map(\.subject) == [silent.id, leaving.id])
      #expect(gone.map { $0.fields?["cause"] } == ["silence", "farewell"] && gone[0].fields?["previous_status"] == "online")
      #expect(gone.allSatisfy { $0.fields?["last_heartbeat_at"] != nil })
      #expect(try await database.events(.agentOnline).isEmpty)
      for _ in 0..<2 { _ = try await database.agents.applyHeartbeats([beat(silent, after: 1), beat(lively, after: 1)]) }
      try await database.register("leaving", session: "s2", sentAt: .now().advanced(by: .seconds(1)))
      let back = try await database.events(.agentOnline)
      #expect(back.map(\.subject) == [silent.id, leaving.id] && back.map { $0.fields?["cause"] } == ["heartbeat", "registration"])
      #expect(back.allSatisfy { $0.fields?["offline_since"] != nil && $0.fields?["status"] == "online" })
      #expect(try await database.number("SELECT COUNT(*) AS n FROM agents WHERE offline_since IS NOT NULL") == 0)
    }
  }

  @Test func anAgentInTroubleIsThereAndADeletedOneIsNotBack() async throws {
    try await FleetDatabase.with { database in
      let (one, two) = (try await database.register("one"), try await database.register("two"))
      _ = try await database.agents.applyHeartbeats([beat(one, .offline), beat(two, .offline)])
      _ = try await database.agents.applyHeartbeats([beat(one, .error, after: 1), beat(two, .deleted, after: 1)])
      #expect(try await database.events(.agentOnline).map { $0.fields?["status"] } == ["error"])
    }
  }

  @Test func manyServersTellOfEachReturnOnce() async throws {
    try await FleetDatabase.with { database in
      var agents: [Agent] = []
      for number in 0..<60 { agents.append(try await database.register("a\(number)")) }
      try await database.sql("UPDATE agents SET last_heartbeat_at = NOW(3) - INTERVAL 10 MINUTE")
      #expect(try await database.agents.markOffline(silentFor: .seconds(120)).count == 60)
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<4 {
          let batch = agents.shuffled().map { beat($0) }
          group.addTask {
            for start in stride(from: 0, to: batch.count, by: 7) {
              _ = try await database.agents.applyHeartbeats(Array(batch[start..<min(start + 7, batch.count)]))
            }
          }
        }
        try await group.waitForAll()
      }
      #expect(try await database.events(.agentOnline).map(\.subject).sorted { $0 ?? "" < $1 ?? "" } == agents.map(\.id).sorted())
    }
  }

  @Test func clientsAreToldOfWithoutTheirTokens() async throws {
    try await FleetDatabase.with { database in
      let client = try await database.clients.create(id: "c9", name: "Nine", email: "nine@example.com")
      for isActive in [false, false, true, true] { #expect(try await database.clients.setActive(isActive, id: "c9")) }
      for type in [EventType.clientCreated, .clientDisabled, .clientEnabled] {
        let events = try await database.events(type)
        #expect(events.count == 1 && events[0].subject == "c9" && events[0].clientID == "c9")
        #expect(events[0].fields == ["client_id": "c9", "name": "Nine"])
        #expect(!events[0].data.contains(client.account.token))
      }
      await #expect(throws: MySQLError.self) { try await database.clients.create(id: "c9", name: "again", email: nil) }
      #expect(try await database.events(.clientCreated).count == 1, "what was not done is not told")
    }
  }

  @Test func findingWhoIsBackDoesNotReadTheFleet() async throws {
    try await FleetDatabase.with { database in
      for page in 0..<10 {
        let rows = (0..<500).map {
          "(UUID(), 'c1', 'a\(page)-\($0)', '\($0 % 2 == 0 ? "online" : "offline")', \($0 % 2 == 0 ? "NULL" : "NOW(3)"))"
        }
        try await database.sql(
          "INSERT INTO agents (id, client_id, logical_agent_id, status, offline_since) VALUES \(rows.joined(separator: ","))")
      }
      try await database.sql("ANALYZE TABLE agents")
      let agent = try await database.register("web-1")
      _ = try await database.agents.applyHeartbeats([beat(agent, after: 1)])
      let plan = try await database.sql(
        "EXPLAIN FORMAT=TRADITIONAL SELECT agent_key FROM agents WHERE offline_since IS NOT NULL AND status IN ('online', 'disabled', 'switching', 'error') "
          + "LIMIT 5000 FOR UPDATE SKIP LOCKED")
      #expect(try plan.first?.string("key") == "agents_offline")
      #expect(try plan.first?.int("rows") ?? .max < 50)
      #expect(try await database.events(.agentOnline).isEmpty)
    }
  }
}
