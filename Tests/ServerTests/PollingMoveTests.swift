import FleetProtocol
import ServiceRuntime
import TestSupport
import Testing

@testable import Server

/// Agents that move between HTTP and AMQP, their heartbeats and their notices, as the tables see it.
@Suite struct PollingMoveTests {
  @Test func anAgentKeepsItsRowAndEachCommandGoesOneWayOnly() async throws {
    try await PollingBench.run { bench in
      let store = bench.database.commands
      let id = try await bench.register("web-1")
      let fetched = try await bench.command(id)
      #expect(try await bench.poll(id) == [fetched])
      let waiting = try await bench.command(id)
      _ = try await store.claim(limit: 10, lease: .seconds(60))
      #expect(try await bench.status(waiting).status == .queued)

      let moved = try await bench.database.register("web-1", client: "c1", session: "new")
      #expect(moved.id == id && moved.transport == "amqp" && moved.queue != nil)
      #expect(try await store.claim(limit: 10, lease: .seconds(60)).map(\.id) == [waiting])
      // The old process still polls: it gets nothing, takes nothing back, and is told of.
      let before = try #require(try await bench.database.agents.find(id: id))
      #expect(try await bench.poll(id) == [])
      #expect(try await bench.beat(id, "error").status == 200)
      let after = try #require(try await bench.database.agents.find(id: id))
      #expect(after.status == .online && after.lastHeartbeatAt == before.lastHeartbeatAt && after.queue == moved.queue)
      #expect(bench.logged("An old agent at 127.0.0.1 still polls as agent \(id) 'web-1' of client c1"))
      #expect(try await bench.database.number("SELECT COUNT(*) AS n FROM system_events WHERE event_type = 'old_agent_polls'") == 1)
      // What it had fetched it may say the end of.
      #expect(try await bench.status(fetched).status == .delivered)
      try await bench.send("POST", "/api/agents/\(id)/commands/\(fetched)/executed", #"{"success":true,"message":"ok"}"#)
      #expect(try await bench.status(fetched).status == .succeeded)

      // Back: what was in the queue waits in the table, what the other program has in its journal is not given out again.
      let journaled = try await bench.command(id)
      let address = try AgentAddress(clientID: "c1", logicalAgentID: "web-1")
      let progress = CommandProgress(commandID: journaled, agentID: id, stage: .delivered, at: .now(), sentAt: .now())
      #expect(try await store.apply([SignedReport(.progress(progress), from: address)]) == [.accepted])
      #expect(try await bench.register("web-1") == id)
      let queue = try #require(moved.queue)
      #expect(bench.deletedQueues.withLock { $0 } == [queue])
      #expect(try await bench.database.agents.find(id: id)?.queue == nil)
      #expect(try await bench.poll(id) == [waiting])
      #expect(try await bench.status(journaled).status == .delivered)
      // And once more: what was fetched the last time but one is nobody's to fetch.
      try await bench.database.register("web-1", client: "c1", session: "newer")
      #expect(try await bench.register("web-1") == id)
      #expect(try await bench.poll(id) == [])
    }
  }

  @Test func aProgramThatLostItsPlaceToAnOldAgentGivesWay() async throws {
    try await PollingBench.run { bench in
      let first = try await bench.database.register("web-1", client: "c1", session: "s1")
      _ = try await bench.register("web-1")
      // Its queue is gone and it asks again, with the generation that it had.
      let later = try await bench.database.now().advanced(by: .seconds(1))
      let again = FleetDatabase.request("web-1", session: "s1", sentAt: later, generation: first.generation)
      let address = try AgentAddress(clientID: "c1", logicalAgentID: "web-1")
      guard case .refused = try await bench.database.agents.register(again, from: address) else {
        Issue.record("the two would take the name from each other in turns")
        return
      }
    }
  }

  @Test func movingBackNeedsTheBroker() async throws {
    try await PollingBench.run { bench in
      let agent = try await bench.database.register("web-1", client: "c1")
      bench.broker.withLock { $0 = .disconnected(reason: "away") }
      let answer = try await bench.send("POST", "/api/agents/register", bench.registration("web-1"))
      #expect(answer.status == 503 && answer.text == #"{"error":"Broker unavailable"}"#)
      #expect(try await bench.database.agents.find(id: agent.id)?.transport == "amqp")
      // One that has no queue needs none.
      _ = try await bench.register("web-2")
    }
  }

  @Test func heartbeatsOfManyAgentsAreStoredAndBringAgentsBack() async throws {
    try await PollingBench.run { bench in
      var ids: [String] = []
      for number in 1...20 { ids.append(try await bench.register("a\(number)")) }
      try await bench.database.sql("UPDATE agents SET last_heartbeat_at = NOW(3) - INTERVAL 1 HOUR")
      #expect(try await bench.database.agents.markOffline(silentFor: .seconds(120)).count == 20)
      // Past the front, whose test client sends one request at a time.
      let gatherer = HeartbeatGatherer(bench.database.agents)
      let all = ids + ids + ["no-such-agent"]
      let stored = try await withThrowingTaskGroup(of: Bool.self) { group in
        for id in all {
          group.addTask {
            let body = Heartbeat(agentID: id, status: .online, monitoredInstances: ["i-2"], generation: 1, sentAt: .now())
            let outcome = try await gatherer.store(PolledHeartbeat(agentID: id, clientID: "c1", body: body))
            if case .stored = outcome { return true }
            return false
          }
        }
        return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
      }
      #expect(stored == 40)
      #expect(try await bench.database.number("SELECT COUNT(*) AS n FROM agents WHERE status = 'online' AND offline_since IS NULL") == 20)
      #expect(try await bench.events(of: ids[0]) == ["agent.registered", "agent.offline", "agent.online"])
      try await bench.beat(ids[0], "offline")
      #expect(try await bench.events(of: ids[0]).last == "agent.offline")
    }
  }

  @Test func aNoticeOfAV4AgentSetsReactionsOff() async throws {
    try await PollingBench.run { bench in
      let id = try await bench.register("web-1")
      let spare = try await bench.register("spare")
      var rule = Reaction(name: "replace", on: EventType.agentInterruption.rawValue, target: "name=spare", run: "switch")
      rule.parameters = #"{"target_mode":"ondemand"}"#
      try await bench.database.reactions.add(rule)
      let body = #"{"instance_id":"i-1","termination_time":"2026-11-25T09:22:00Z"}"#
      for _ in 1...2 { #expect(try await bench.send("POST", "/api/agents/\(id)/termination-imminent", body).status == 200) }
      #expect(try await bench.events(of: id).filter { $0 == "agent.interruption" }.count == 1, "each notice once")
      guard case .array(let commands) = try await bench.send("GET", "/api/agents/\(spare)/pending-commands").body else { return }
      #expect(commands.map { $0["target_mode"] } == ["ondemand"] && commands.first?["priority"] == 100)
    }
  }
}
