import AMQP
import FleetProtocol
import MySQL
import ServiceRuntime
import TestSupport
import Testing

@testable import Server

/// When something happens the commands are written in the transaction of the event: once, for the agents of its client, within the limit.
@Suite struct ReactionTests {
  private func reaction(_ target: String, name: String = "fail-over", on type: EventType = .agentInterruption) -> Reaction {
    var reaction = Reaction(name: name, on: type.rawValue, target: target, run: "switch")
    reaction.parameters = #"{"from":"{agent.logical_agent_id}","until":"{notice.time}"}"#
    if !type.isNotice { reaction.parameters = #"{"from":"{agent.logical_agent_id}"}"# }
    return reaction
  }

  private func tag(_ agent: Agent, _ name: String, _ value: String, _ database: FleetDatabase) async throws {
    try await database.pool.withConnection { connection in
      _ = try await connection.execute(
        "INSERT INTO agent_tags (agent_key, name, agent_value) VALUES (?, ?, ?)", [.int(agent.key), .text(name), .text(value)])
    }
  }

  private func written(_ database: FleetDatabase) async throws -> [StoredCommand] { try await database.commands.list().rows.reversed() }

  @Test func writesTheCommandOfARepeatedNoticeOnceForTheReplicaOfTheSameClient() async throws {
    try await FleetDatabase.with { database in
      let web = try await database.register("web-1")
      let replica = try await database.register("web-2")
      let foreign = try await database.register("web-2", client: "c2")
      for agent in [replica, foreign] { try await tag(agent, "replica-of", "web-1", database) }
      var rule = reaction("tag:replica-of={agent.logical_agent_id}")
      rule.deliverWithinSeconds = 90
      try await database.reactions.add(rule)
      for _ in 0..<3 { _ = try await database.agents.record(FleetDatabase.notice(web), from: web.address) }
      let commands = try await written(database)
      #expect(commands.map(\.agentID) == [replica.id])
      let command = try #require(commands.first)
      #expect(command.commandType == "switch" && command.priority == 100 && command.status == .pending)
      #expect(command.parameters == #"{"from":"web-1","until":"2027-01-15T08:00:00.000Z"}"#)
      #expect((80...90).contains(try #require(command.expiresAt).since(command.createdAt).inSeconds))
      #expect(try await database.sql("SELECT source FROM commands").map { try $0.string("source") } == ["reaction:fail-over"])
      #expect(try await database.events(.commandPending).map(\.subject) == [command.id])
      let entry = try #require(try await database.reactions.find("fail-over"))
      #expect(entry.commands == 1 && entry.heldBack == 0 && entry.lastRunAt != nil && entry.lastProblem == nil)
    }
  }

  @Test func twoServersAndARepeatedNoticeMakeOneCommandThatArrives() async throws {
    try await Bench.run(withoutServer: true) { bench in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<2 { group.addTask { try await bench.runServer() } }
        try await bench.waitUntilConsuming(2)
        try await bench.client("c1")
        let (web, replica) = (try await bench.register("web-1"), try await bench.register("web-2"))
        try await bench.database.reactions.add(reaction("name=web-2"))
        let queue = try await bench.peer.consume(replica.queue)
        try await bench.peer.publish(try (0..<30).map { _ in try bench.notice(web, at: FleetDatabase.noticeTime) })
        let delivery = try await bench.peer.read(1, from: queue)[0]
        let command = try WireCoding.decode(Command.self, from: delivery.message.body)
        #expect(command.commandType == "switch" && command.parameters["from"] == "web-1" && command.agentID == replica.agentID)
        try await eventually("all notices were worked off", timeout: .seconds(60)) {
          bench.log.count("came before and changes nothing") + bench.log.count("WARNING - Spot interruption") >= 30
        }
        bench.stopServers()
        try await group.waitForAll()
        #expect(try await bench.database.commands.list().rows.count == 1)
        #expect(bench.log.count("Reaction 'fail-over' wrote 1 commands for 1 events") == 1)
      }
    }
  }

  @Test func aReactionThatConfiguresIsNotTaken() async throws {
    try await FleetDatabase.with { database in
      var rule = reaction("self")
      rule.commandType = "configure"
      let error = await #expect(throws: ReactionProblem.self) { try await database.reactions.add(rule) }
      #expect(error?.part == "command_type" && error?.problem.contains("use: spotctl configure") == true)
    }
  }

  @Test func anotherClientsAgentsAreNeverTargets() async throws {
    try await FleetDatabase.with { database in
      let agent = try await database.register("web-1")
      for client in ["c2", "c3"] { for name in ["web-1", "web-2"] { try await database.register(name, client: client) } }
      for (index, target) in ["all", "client=c2", "not client=c1", "name=web-*", "client=c1 or client=c2", "id={agent.id} or all"]
        .enumerated()
      {
        try await database.reactions.add(reaction(target, name: "r\(index)"))
      }
      _ = try await database.agents.record(FleetDatabase.notice(agent), from: agent.address)
      let commands = try await written(database)
      #expect(commands.count == 4 && commands.allSatisfy { $0.agentID == agent.id })
    }
  }

  @Test func anAgentWithAHostileNameReachesNobodyElse() async throws {
    let names = [
      "*", "web-*", "x' OR '1'='1", "\" or all or name=\"", "%", "web-_", "{agent.id}", "x) or (all", "\\", "; DROP TABLE agents",
    ]
    try await FleetDatabase.with { database in
      let victim = try await database.register("web-1")
      try await tag(victim, "replica-of", "web-9", database)
      try await database.reactions.add(reaction("tag:replica-of={agent.logical_agent_id} or name='{agent.logical_agent_id}'"))
      for name in names {
        let hostile = try await database.register(name)
        _ = try await database.agents.record(FleetDatabase.notice(hostile), from: hostile.address)
        let last = try #require(try await written(database).last)
        #expect(last.agentID == hostile.id, "only the one that is called so")
        let parameters = try WireCoding.decodeJSON(JSONValue.self, from: Array(try #require(last.parameters).utf8))
        #expect(parameters["from"] == .string(name))
      }
      #expect(try await written(database).count == names.count)
    }
  }

  @Test func aConditionAClientAndBeingDisabledHoldItBack() async throws {
    try await FleetDatabase.with { database in
      let (worker, idle, foreign) = (
        try await database.register("w"), try await database.register("i"), try await database.register("w", client: "c2")
      )
      for agent in [worker, foreign] { try await tag(agent, "role", "worker", database) }
      var conditional = reaction("self", name: "conditional")
      conditional.agentCondition = "tag:role=worker and mode=spot"
      conditional.clientID = "c1"
      try await database.reactions.add(conditional)
      try await database.reactions.add(reaction("self", name: "off"))
      #expect(try await database.reactions.setEnabled(false, "off"))
      for agent in [worker, idle, foreign] { _ = try await database.agents.record(FleetDatabase.notice(agent), from: agent.address) }
      #expect(try await written(database).map(\.agentID) == [worker.id])
      #expect(try await database.reactions.setEnabled(true, "off"))
      _ = try await database.agents.record(FleetDatabase.notice(idle, .interruption, at: .now()), from: idle.address)
      #expect(try await written(database).map(\.agentID) == [worker.id, idle.id])
      #expect(try await database.reactions.remove("off"))
      #expect(try await !database.reactions.remove("off"))
    }
  }

  @Test func theLimitOfAMinuteIsSharedByAllServersAndWhatItHoldsBackIsSaid() async throws {
    try await FleetDatabase.with { database in
      var agents: [Agent] = []
      for number in 0..<30 { agents.append(try await database.register("a\(number)")) }
      var limited = reaction("self")
      limited.limitPerMinute = 10
      try await database.reactions.add(limited)
      let log = BenchLog()
      var store = database.agents
      store.announcer = Announcer(signals: nil, logger: log.logger)
      try await withThrowingTaskGroup(of: Void.self) { group in
        for agent in agents { group.addTask { [store] in _ = try await store.record(FleetDatabase.notice(agent), from: agent.address) } }
        try await group.waitForAll()
      }
      #expect(try await written(database).count == 10)
      #expect(try await database.events(.agentInterruption).count == 30, "the notices are told all the same")
      #expect(try await database.number("SELECT COUNT(*) AS n FROM system_events WHERE event_type = 'reaction_limited'") == 20)
      #expect(log.count("1 more were held back by its limit a minute") == 20)
      #expect(try await database.reactions.find("fail-over")?.heldBack == 20)
      // A minute later.
      try await database.sql("UPDATE reaction_runs SET time = time - INTERVAL 61 SECOND")
      _ = try await database.agents.record(FleetDatabase.notice(agents[0], .interruption, at: .now()), from: agents[0].address)
      #expect(try await written(database).count == 11)
    }
  }

  @Test func aTargetOfTooManyGetsAsManyAsTheLimitAllows() async throws {
    try await FleetDatabase.with { database in
      let agent = try await database.register("a0")
      for number in 1..<20 { try await database.register("a\(number)") }
      var flood = reaction("all")
      flood.limitPerMinute = 3
      try await database.reactions.add(flood)
      for kind in [SpotNotice.Kind.interruption, .interruption] {
        _ = try await database.agents.record(FleetDatabase.notice(agent, kind, at: .now()), from: agent.address)
      }
      #expect(try await written(database).count == 3)
      #expect(try await database.reactions.find("fail-over")?.heldBack == 37)
    }
  }

  @Test func aReactionThatSomebodyBrokeStopsNeitherTheNoticeNorTheOthers() async throws {
    try await FleetDatabase.with { database in
      let agent = try await database.register("web-1")
      for name in ["broken-1", "broken-2", "broken-3", "broken-4", "good"] {
        try await database.reactions.add(reaction("self", name: name))
      }
      try await database.sql("UPDATE reactions SET target = 'nonsense(' WHERE name = 'broken-1'")
      try await database.sql("UPDATE reactions SET parameters = '{' WHERE name = 'broken-2'")
      try await database.sql("UPDATE reactions SET priority = 5000 WHERE name = 'broken-3'")
      try await database.sql("UPDATE reactions SET command_type = '' WHERE name = 'broken-4'")
      let log = BenchLog()
      var store = database.agents
      store.announcer = Announcer(signals: nil, logger: log.logger)
      #expect(try await store.record(FleetDatabase.notice(agent), from: agent.address) == .recorded)
      #expect(try await written(database).count == 1)
      #expect(try await database.events(.agentInterruption).count == 1)
      #expect(log.count("ERROR - Reaction 'broken-") == 4)
      #expect(
        try await database.number("SELECT COUNT(*) AS n FROM system_events WHERE event_type = 'reaction_failed' AND severity = 'error'")
          == 4)
      #expect(try await database.reactions.find("broken-1")?.lastProblem?.contains("target cannot be understood") == true)
    }
  }

  @Test func whatAReactionWroteBeforeItFailedIsTakenBack() async throws {
    try await FleetDatabase.with { database in
      let agent = try await database.register("web-1")
      // All of them together are more than a message may have, which is seen only when they are filled in.
      let long = try await database.register(String(repeating: "x", count: 60))
      var growing = reaction("name=web-1", name: "growing")
      growing.parameters = "{\"a\":[\(Array(repeating: "\"{agent.logical_agent_id}\"", count: 5000).joined(separator: ","))]}"
      try await database.reactions.add(growing)
      try await database.reactions.add(reaction("name=web-1", name: "small"))
      #expect(try await database.agents.record(FleetDatabase.notice(long), from: long.address) == .recorded)
      #expect(try await written(database).map(\.agentID) == [agent.id])
      #expect(try await database.events(.commandPending).count == 1)
      #expect(try await database.reactions.find("growing")?.lastProblem?.contains("are the most") == true)
    }
  }

  @Test func itMayBeBoundToWhateverHappensToAnAgent() async throws {
    try await FleetDatabase.with { database in
      for type in EventType.allCases where type.isOfAgent {
        try await database.reactions.add(reaction("self", name: type.rawValue, on: type))
      }
      let agent = try await database.register("web-1")
      try await database.sql("UPDATE agents SET last_heartbeat_at = NOW(3) - INTERVAL 10 MINUTE")
      _ = try await database.agents.markOffline(silentFor: .seconds(120))
      _ = try await database.agents.applyHeartbeats([
        HeartbeatUpdate(agentKey: agent.key, status: .online, sentAt: try await database.now())
      ])
      for kind in [SpotNotice.Kind.interruption, .rebalance] {
        _ = try await database.agents.record(FleetDatabase.notice(agent, kind), from: agent.address)
      }
      let sources = try await database.sql("SELECT source FROM commands ORDER BY seq").map { try $0.string("source") }
      #expect(
        sources == [
          "reaction:agent.registered", "reaction:agent.offline", "reaction:agent.online", "reaction:agent.interruption",
          "reaction:agent.rebalance",
        ])
    }
  }

  @Test func aRehearsalOnAPastEventShowsWhomItWouldHitAndChangesNothing() async throws {
    try await FleetDatabase.with { database in
      let (web, replica) = (try await database.register("web-1"), try await database.register("web-2"))
      _ = try await database.agents.record(FleetDatabase.notice(web), from: web.address)
      let event = try #require(try await database.events(.agentInterruption).first)
      var rule = reaction("not id={agent.id}")
      rule.isEnabled = false
      try await database.reactions.add(rule)
      let rehearsal = try await database.reactions.rehearse(rule, on: event)
      #expect(rehearsal.concerns && rehearsal.fulfils && rehearsal.total == 1)
      #expect(rehearsal.targets.map(\.id) == [replica.id])
      #expect(rehearsal.parameters == ["from": "web-1", "until": "2027-01-15T08:00:00.000Z"])
      rule.agentCondition = "name=web-9"
      #expect(try await !database.reactions.rehearse(rule, on: event).fulfils)
      let registered = try #require(try await database.events(.agentRegistered).first)
      #expect(try await !database.reactions.rehearse(rule, on: registered).concerns)
      #expect(try await written(database).isEmpty)
      #expect(try await database.number("SELECT COUNT(*) AS n FROM reaction_runs") == 0)
    }
  }
}
