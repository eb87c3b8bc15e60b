import FleetProtocol
import MySQL
import ServiceRuntime
import TestSupport
import Testing

@testable import Server

/// From a change that an operator asks for to the agent that works by it.
@Suite struct ConfigurationPushTests {
  private func changes(_ words: String...) throws -> ConfigurationChanges { try ConfigurationChanges(parsing: words) }

  private func commands(_ database: FleetDatabase, _ agent: Agent) async throws -> [StoredCommand] {
    try await database.commands.list(CommandStore.Filter(agentID: agent.id)).rows
  }

  private func find(_ agent: Agent, _ database: FleetDatabase) async throws -> Agent {
    try #require(try await database.agents.find(id: agent.id))
  }

  @Test func aChangeIsCountedAndToldToThoseWhoCanBeReached() async throws {
    try await FleetDatabase.with { database in
      let online = try await database.register("online")
      let disabled = try await database.register("disabled")
      let offline = try await database.register("offline")
      try await database.sql("UPDATE agents SET status = logical_agent_id WHERE logical_agent_id <> 'online'")
      let keys = [online, disabled, offline].map(\.key)
      let outcome = try await database.agents.configure(try changes("replica_count=3", "risk_threshold=0.25"), agents: keys)
      // One that is switched off must be reached, or nobody could switch it on again.
      #expect(outcome == ConfigurationOutcome(changed: [online.id, disabled.id, offline.id], told: [online.id, disabled.id]))
      for agent in [online, disabled, offline] {
        let row = try await find(agent, database)
        #expect(
          row.configuration.replicaCount == 3 && row.configuration.riskThreshold == 0.25 && row.configuration.maxSwitchesPerWeek == 10)
        #expect(row.configurationVersion == 1)
      }
      #expect(try await commands(database, offline).isEmpty)
      let command = try #require(try await commands(database, online).first)
      #expect(command.commandType == "configure" && command.priority == 75 && command.status == .pending)
      #expect(try #require(command.expiresAt).since(command.createdAt) == .seconds(600))
      let parameters = try WireCoding.decodeJSON(JSONValue.self, from: Array(try #require(command.parameters).utf8))
      #expect(parameters["version"] == 1)
      let told = try WireCoding.decode(AgentConfiguration.self, from: try WireCoding.encodeJSON(try #require(parameters["config"])))
      #expect(told == (try await find(online, database)).configuration)
      #expect(try await database.sql("SELECT seq FROM fleet_events WHERE type = 'command.pending'").count == 2)
      #expect(try await database.sql("SELECT seq FROM commands WHERE source = 'configure'").count == 2)
    }
  }

  @Test func whatIsNoOtherAfterwardsIsNeitherCountedNorTold() async throws {
    try await FleetDatabase.with { database in
      let agent = try await database.register("a1")
      _ = try await database.agents.configure(try changes("replica_count=3"), agents: [agent.key])
      for words in [["replica_count=3"], ["max_switches_per_week=10"], ["enabled-"], ["min_savings_percent=15.0"]] {
        let outcome = try await database.agents.configure(try ConfigurationChanges(parsing: words), agents: [agent.key])
        #expect(outcome.changed.isEmpty && outcome.told.isEmpty, "\(words)")
      }
      #expect(try await find(agent, database).configurationVersion == 1)
      let outcome = try await database.agents.configure(
        try changes("replica_count-", "max_switches_per_week-", "min_savings_percent-"), agents: [agent.key])
      #expect(outcome.changed == [agent.id])
      #expect(try await find(agent, database).configuration == AgentConfiguration())
      #expect(try await database.sql("SELECT id FROM agents WHERE config IS NULL AND config_version = 2").count == 1)
      #expect(try await commands(database, agent).count == 2)
    }
  }

  @Test func keysWrittenByHandStayAndARowThatCannotBeReadIsLeftAlone() async throws {
    try await FleetDatabase.with { database in
      let good = try await database.register("good")
      let strange = try await database.register("strange")
      let broken = try await database.register("broken")
      try await database.sql("UPDATE agents SET config = '{\"mine\":[1],\"replica_count\":1}' WHERE logical_agent_id = 'strange'")
      try await database.sql("UPDATE agents SET config = 'no json' WHERE logical_agent_id = 'broken'")
      let outcome = try await database.agents.configure(try changes("replica_count=2"), agents: [good, strange, broken].map(\.key))
      #expect(outcome.changed == [good.id, strange.id] && outcome.problems.map(\.id) == [broken.id])
      let rows = try await database.sql("SELECT config FROM agents ORDER BY agent_key")
      #expect(try rows.map { try $0.string("config") } == ["{\"replica_count\":2}", "{\"mine\":[1],\"replica_count\":2}", "no json"])
    }
  }

  @Test func aVersionIsAlwaysGreaterThanWhatTheAgentHasHeardOf() async throws {
    try await FleetDatabase.with { database in
      let agent = try await database.register("a1")
      // As after the database was restored from an older copy.
      try await database.sql("UPDATE agents SET config_version = 2, applied_config_version = 9")
      _ = try await database.agents.configure(try changes("replica_count=2"), agents: [agent.key])
      #expect(try await find(agent, database).configurationVersion == 10)
    }
  }

  @Test func aRegistrationIsAnsweredWithTheConfigurationAndItsVersion() async throws {
    try await FleetDatabase.with { database in
      let agent = try await database.register("a1")
      try await database.sql("UPDATE agents SET status = 'offline'")
      _ = try await database.agents.configure(try changes("replica_count=2"), agents: [agent.key])
      let request = FleetDatabase.request("a1", session: "s2", sentAt: try await database.now().advanced(by: .milliseconds(1)))
      guard case .registered(let registered, _) = try await database.agents.register(request, from: agent.address) else {
        Issue.record("not registered")
        return
      }
      #expect(registered.config.replicaCount == 2 && registered.configVersion == 1)
      #expect(try await find(agent, database).appliedConfigurationVersion == 1)
      #expect(try await database.agents.remindOfConfiguration(after: 0, limit: 9, pause: .zero).outcome.told.isEmpty)
    }
  }

  @Test func aHeartbeatSaysWhichVersionTheAgentWorksBy() async throws {
    try await FleetDatabase.with { database in
      let agent = try await database.register("a1", sentAt: try await database.now().advanced(by: .seconds(-50)))
      for (second, version, expected) in [(-40, 3, 3), (-30, nil, 3), (-45, 7, 3), (-20, 4, 4)] as [(Int, Int?, Int)] {
        _ = try await database.agents.applyHeartbeats([
          HeartbeatUpdate(
            agentKey: agent.key, status: .online, sentAt: try await database.now().advanced(by: .seconds(second)), configVersion: version)
        ])
        #expect(try await find(agent, database).appliedConfigurationVersion == expected)
      }
    }
  }

  @Test func whoWorksByAnOlderOneIsToldOnceAndNotAgainSoon() async throws {
    try await FleetDatabase.with { database in
      var agents: [Agent] = []
      for name in ["old", "silent", "current", "offline", "broken"] { agents.append(try await database.register(name)) }
      try await database.sql("UPDATE agents SET config_version = 5, applied_config_version = 4, config = '{\"replica_count\":2}'")
      try await database.sql("UPDATE agents SET applied_config_version = NULL WHERE logical_agent_id = 'silent'")
      try await database.sql("UPDATE agents SET applied_config_version = 5 WHERE logical_agent_id = 'current'")
      try await database.sql("UPDATE agents SET status = 'offline' WHERE logical_agent_id = 'offline'")
      try await database.sql("UPDATE agents SET config = '[' WHERE logical_agent_id = 'broken'")
      func remind(_ pause: Duration = .seconds(300)) async throws -> [String] {
        var told: [String] = []
        var key: Int64? = 0
        while let after = key {
          // A page of one, so that every row is a page's end.
          let (outcome, next) = try await database.agents.remindOfConfiguration(after: after, limit: 1, pause: pause)
          told += outcome.told
          key = next
        }
        return told
      }
      let both = [agents[0].id, agents[1].id]
      #expect(try await remind() == both)
      #expect(try await remind(.zero).isEmpty, "one that is open is enough")
      try await database.sql("UPDATE commands SET status = 'expired', finished_at = NOW(3)")
      #expect(try await remind().isEmpty, "not within the pause")
      #expect(try await remind(.zero) == both)
      // Both answer; whoever goes on saying nothing (or the old version) is not asked for ever.
      try await database.sql("UPDATE commands SET status = 'failed' WHERE status = 'pending'")
      #expect(try await remind(.zero).isEmpty)
      // The next version is another matter.
      try await database.sql("UPDATE agents SET config_version = 6")
      #expect(try await remind(.zero).count == 3)
    }
  }

  @Test func aGreaterVersionThatSomebodyElseGaveIsOvertakenAndTheConfigurationTold() async throws {
    try await FleetDatabase.with { database in
      let ahead = try await database.register("ahead")
      let away = try await database.register("away")
      let greatest = try await database.register("greatest")
      func remind(_ pause: Duration = .zero) async throws -> ConfigurationOutcome {
        try await database.agents.remindOfConfiguration(after: 0, limit: 9, pause: pause).outcome
      }
      _ = try await database.agents.configure(try changes("replica_count=2"), agents: [ahead, away, greatest].map(\.key))
      try await database.sql("UPDATE commands SET status = 'succeeded', finished_at = NOW(3)")
      try await database.sql("UPDATE agents SET applied_config_version = 99")
      try await database.sql("UPDATE agents SET status = 'offline' WHERE logical_agent_id = 'away'")
      try await database.sql("UPDATE agents SET applied_config_version = 4294967295 WHERE logical_agent_id = 'greatest'")
      #expect(try await remind(.seconds(300)).told.isEmpty, "who counts up for ever is not answered for ever")
      let outcome = try await remind()
      #expect(outcome.told == [ahead.id] && outcome.problems.map(\.id) == [greatest.id])
      #expect(try await find(ahead, database).configurationVersion == 100)
      #expect(try await find(away, database).configurationVersion == 1)
      let command = try #require(try await commands(database, ahead).first)
      let parameters = try WireCoding.decodeJSON(JSONValue.self, from: Array(try #require(command.parameters).utf8))
      #expect(parameters["version"] == 100 && parameters["config"]?["replica_count"] == 2)
      try await database.sql("UPDATE agents SET applied_config_version = 100 WHERE logical_agent_id = 'ahead'")
      #expect(try await remind().told.isEmpty)
      // Nothing is above the greatest, and a change is written all the same: it holds from the next registration on.
      let changed = try await database.agents.configure(try changes("replica_count=3"), agents: [greatest.key])
      #expect(changed.changed == [greatest.id])
    }
  }

  @Test func anAgentThatCameBackWithoutRegisteringGetsItFromTheServer() async throws {
    try await Bench.run { bench in
      try await bench.client("c1")
      let reply = try await bench.register("a1")
      #expect(reply.configVersion == 0)
      let agent = try await bench.agent(reply)
      // The change comes while nobody can reach it.
      try await bench.database.sql("UPDATE agents SET status = 'offline'")
      let outcome = try await bench.database.agents.configure(try changes("replica_count=4"), agents: [agent.key])
      #expect(outcome.told.isEmpty)
      try await bench.peer.publish([try bench.heartbeat(reply)])
      try await eventually("a configure command was sent", timeout: .seconds(60)) {
        try await commands(bench.database, agent).first?.status == .queued
      }
      let again = try await bench.register("a1")
      #expect(again.configVersion == 1 && again.config.replicaCount == 4)
    }
  }

  @Test func aChangeThatMeansNothingIsRefusedWithTheKnownKeys() throws {
    let all = try ConfigurationChanges(parsing: AgentConfiguration.keys.map { key in "\(key.name)=\(Self.example(key))" })
    #expect(all.values.count == AgentConfiguration.keys.count)
    for (words, part) in [
      (["replica_cuont=1"], "there is no key 'replica_cuont'; did you mean 'replica_count'? The keys are:"),
      (["x=1"], "min_savings_percent      a number from 0 to 100"), (["enabled"], "write key=value, or key-"),
      (["enabled=yes"], "enabled is 'yes'; it must be true or false"),
      (["replica_count=1001"], "replica_count is '1001'; it must be a whole number from 0 to 1000"),
      (["replica_count=1.5"], "a whole number"), (["replica_count="], "a whole number"),
      (["risk_threshold=0x1p-1"], "a number from 0 to 1"),
      (["risk_threshold=nan"], "a number from 0 to 1"), (["risk_threshold=1.01"], "a number from 0 to 1"),
      (["enabled=true", "enabled-"], "the key 'enabled' is there twice"), (["\u{1b}=1"], #"there is no key '\u{1b}'"#),
    ] {
      do throws(ChangeError) {
        Issue.record("\(words) was taken as \(try ConfigurationChanges(parsing: words))")
      } catch {
        #expect("\(error)".contains(part) && !"\(error)".contains("\u{1b}"), "\(words): \(error)")
      }
    }
  }

  private static func example(_ key: AgentConfiguration.Key) -> String {
    switch key.kind {
    case .flag: "true"
    case .wholeNumber(_, let range): String(range.upperBound)
    case .number(_, let range): String(range.upperBound)
    }
  }
}
