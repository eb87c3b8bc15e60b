import FleetProtocol
import MySQL
import ServiceRuntime
import Testing

@testable import Server

@Suite struct StoreHeartbeatTests {
  @Test func aBatchSetsTimeStatusAndWhatWasSaid() async throws {
    try await FleetDatabase.with { database in
      let one = try await database.register("a1", sentAt: try await database.now().advanced(by: .seconds(-50)))
      let two = try await database.register("a2", sentAt: try await database.now().advanced(by: .seconds(-50)))
      let at = try await database.now().advanced(by: .seconds(-1))
      let gone = try await database.agents.applyHeartbeats([
        HeartbeatUpdate(agentKey: two.key, status: .switching, sentAt: at),
        HeartbeatUpdate(
          agentKey: one.key, status: .online, sentAt: at, monitoredInstances: ["i-1", "a\"b\\c\n'"], instanceID: "i-new",
          instanceType: "m5",
          mode: .ondemand, az: "eu-1b"),
      ])
      #expect(gone.isEmpty)
      let first = try #require(try await database.agents.find(id: one.id))
      #expect(first.lastHeartbeatAt == at && first.status == .online && first.mode == .ondemand)
      #expect(first.monitoredInstances == ["i-1", "a\"b\\c\n'"])
      #expect(first.machine.instanceID == "i-new" && first.machine.instanceType == "m5" && first.machine.az == "eu-1b")
      let second = try #require(try await database.agents.find(id: two.id))
      #expect(second.lastHeartbeatAt == at && second.status == .switching && second.mode == .spot && second.machine.instanceID == "i-a2")
    }
  }

  @Test func anOlderHeartbeatChangesNothing() async throws {
    try await FleetDatabase.with { database in
      let agent = try await database.register("a1")
      let before = try await database.agents.find(id: agent.id)
      let gone = try await database.agents.applyHeartbeats([
        HeartbeatUpdate(agentKey: agent.key, status: .error, sentAt: Timestamp(seconds: 1), monitoredInstances: ["i-9"])
      ])
      #expect(gone.isEmpty)
      #expect(try await database.agents.find(id: agent.id) == before)
    }
  }

  @Test func theSameHeartbeatAgainIsNoHarm() async throws {
    try await FleetDatabase.with { database in
      let agent = try await database.register("a1", sentAt: try await database.now().advanced(by: .seconds(-10)))
      let update = HeartbeatUpdate(agentKey: agent.key, status: .switching, sentAt: try await database.now())
      for _ in 0..<2 { #expect(try await database.agents.applyHeartbeats([update]).isEmpty) }
      #expect(try await database.agents.find(id: agent.id)?.lastHeartbeatAt == update.sentAt)
    }
  }

  @Test func aDrainedBacklogMovesTheTimeAndMakesNobodyLookAlive() async throws {
    try await FleetDatabase.with { database in
      let now = try await database.now()
      let agent = try await database.register("a1", sentAt: now.advanced(by: .seconds(-4000)))
      #expect(agent.status == .offline)
      let late = now.advanced(by: .seconds(-3000))
      _ = try await database.agents.applyHeartbeats([HeartbeatUpdate(agentKey: agent.key, status: .online, sentAt: late)])
      let row = try #require(try await database.agents.find(id: agent.id))
      #expect(row.status == .offline && row.lastHeartbeatAt == late)
      // A goodbye counts however late it comes.
      try await database.sql("UPDATE agents SET status = 'online'")
      _ = try await database.agents.applyHeartbeats([
        HeartbeatUpdate(agentKey: agent.key, status: .offline, sentAt: late.advanced(by: .seconds(1)))
      ])
      #expect(try await database.agents.find(id: agent.id)?.status == .offline)
    }
  }

  @Test(arguments: [Int64.max / 1_000_000, 32_503_680_000_000, 0, -5]) func wildClocksAreWrongTimesAndNoErrors(milliseconds: Int64)
    async throws
  {
    try await FleetDatabase.with { database in
      let agent = try await database.register("a1")
      try await database.sql("UPDATE agents SET last_heartbeat_at = NULL")
      let update = HeartbeatUpdate(agentKey: agent.key, status: .online, sentAt: Timestamp(milliseconds: milliseconds))
      #expect(try await database.agents.applyHeartbeats([update]).isEmpty)
      let seen = try #require(try await database.agents.find(id: agent.id)?.lastHeartbeatAt)
      #expect(seen <= (try await database.now()))
    }
  }

  @Test func heartbeatsOfDeletedAgentsAreToldAndTheOthersStored() async throws {
    try await FleetDatabase.with { database in
      let one = try await database.register("a1")
      let two = try await database.register("a2")
      try await database.sql("DELETE FROM agents WHERE id = '\(one.id)'")
      let at = try await database.now()
      let gone = try await database.agents.applyHeartbeats(
        [one, two].map { HeartbeatUpdate(agentKey: $0.key, status: .online, sentAt: at) })
      #expect(gone == [one.key])
      #expect(try await database.agents.find(id: two.id)?.lastHeartbeatAt == at)
    }
  }

  @Test func aBatchLargerThanOneStatementIsStoredWhole() async throws {
    try await FleetDatabase.with { database in
      let count = AgentStore.heartbeatsInStatement + 100
      var insert: SQLText = "INSERT INTO agents (id, client_id, logical_agent_id) VALUES "
      for number in 0..<count {
        insert.append(sql: number == 0 ? "(" : ", (")
        insert.append(list: [.text(randomUUID()), "c1", .text("a\(number)")])
        insert.append(sql: ")")
      }
      let statement = insert
      try await database.pool.withConnection { _ = try await $0.executeText(statement) }
      let keys = try await database.sql("SELECT agent_key FROM agents ORDER BY RAND(1)").map { Int64(try $0.int("agent_key")) }
      let at = try await database.now()
      #expect(try await database.agents.applyHeartbeats(keys.map { HeartbeatUpdate(agentKey: $0, status: .online, sentAt: at) }).isEmpty)
      #expect(try await database.sql("SELECT COUNT(*) AS n FROM agents WHERE status = 'online'").first?.int("n") == count)
    }
  }

  @Test func workersWithTheSameAgentsNeitherDeadlockNorGoBack() async throws {
    try await FleetDatabase.with { database in
      var keys: [Int64] = []
      for number in 0..<20 { keys.append(try await database.register("a\(number)").key) }
      try await database.sql("UPDATE agents SET last_heartbeat_at = NULL")
      let start = try await database.now().advanced(by: .seconds(-1))
      let agents = database.agents
      let all = keys
      try await withThrowingTaskGroup(of: Void.self) { group in
        for worker in 0..<4 {
          group.addTask {
            for round in 0..<20 {
              let at = start.advanced(by: .milliseconds(round * 4 + worker))
              _ = try await agents.applyHeartbeats(all.shuffled().map { HeartbeatUpdate(agentKey: $0, status: .online, sentAt: at) })
            }
          }
        }
        try await group.waitForAll()
      }
      let newest = start.advanced(by: .milliseconds(79))
      #expect(try await database.agents.list().rows.allSatisfy { $0.lastHeartbeatAt == newest })
    }
  }

  @Test func theDirectoryKnowsExactNamesOnly() async throws {
    try await FleetDatabase.with { database in
      let one = try await database.register("a1")
      let other = try await database.register("a1", client: "c2")
      let quoted = try await database.register("it's \\ \"a\" name")
      let addresses =
        try ["a1", "A1", "a1 ", "nobody"].map { try AgentAddress(clientID: "c1", logicalAgentID: $0) } + [other.address, quoted.address]
      let found = try await database.agents.directory(addresses)
      #expect(found.mapValues(\.id) == [one.address: one.id, other.address: other.id, quoted.address: quoted.id])
      #expect(found[one.address]?.key == one.key)
    }
  }

  @Test func onlyTheSilentGoOffline() async throws {
    try await FleetDatabase.with { database in
      let now = try await database.now()
      let silent = try await database.register("silent")
      for name in ["fresh", "gone", "never"] { try await database.register(name) }
      try await database.sql(
        "UPDATE agents SET last_heartbeat_at = NOW(3) - INTERVAL 121 SECOND WHERE logical_agent_id IN ('silent', 'gone')")
      try await database.sql("UPDATE agents SET status = 'deleted' WHERE logical_agent_id = 'gone'")
      try await database.sql("UPDATE agents SET last_heartbeat_at = NULL WHERE logical_agent_id = 'never'")
      let offline = try await database.agents.markOffline(silentFor: .seconds(120))
      #expect(offline.map(\.id) == [silent.id] && offline.first?.previousStatus == "online")
      #expect(try #require(offline.first).lastHeartbeatAt < now)
      #expect(try await database.agents.markOffline(silentFor: .seconds(120)).isEmpty)
      #expect(try await database.agents.find(id: silent.id)?.status == .offline)
    }
  }

  @Test func rowsWithStrangeValuesAreNamedAndStopNobody() async throws {
    try await FleetDatabase.with { database in
      let good = try await database.register("good")
      let bad: [(String, String)] = [
        ("status", "'confused'"), ("mode", "'free'"), ("config", "'{\"replica_count\": \"two\"}'"), ("config", "'{'"),
        ("config", "'{\"risk_threshold\": 7}'"), ("monitored_instances", "'[1]'"), ("client_id", "''"),
      ]
      for (number, (column, value)) in bad.enumerated() {
        let agent = try await database.register("bad\(number)")
        try await database.sql("UPDATE agents SET \(column) = \(value) WHERE id = '\(agent.id)'")
      }
      let listing = try await database.agents.list()
      #expect(listing.rows.map(\.id) == [good.id])
      #expect(listing.problems.count == bad.count)
      for problem in listing.problems {
        #expect("\(problem)".contains("agents") && "\(problem)".contains(problem.id) && "\(problem)".contains("UPDATE agents"))
      }
      #expect(listing.problems.contains { "\($0)".contains("agents.status is 'confused', which is none of online, offline") })
    }
  }
}
