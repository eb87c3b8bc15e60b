import FleetProtocol
import MySQL
import ServiceRuntime
import Testing

@testable import Server

/// What is asked of the database for every message, every command and every second costs the same after a month of work as on the first day: by the statements
/// that the stores really send.
@Suite struct QueryPlanTests {
  /// All begin with the status, so that what has ended is not in the range.
  private static let byStatus: Set = ["c.commands_outbox", "c.commands_expiry", "c.commands_cancel", "c.commands_running"]

  @Test func heartbeatsFindTheirAgentsByTheirKeys() async throws {
    try await GrownDatabase.with { grown in
      let agents = try await grown.agents(100..<200)
      let now = try await grown.fleet.now()
      // Some are back, two say goodbye, and one is not there any more.
      let updates = agents.enumerated().map { index, agent in
        HeartbeatUpdate(
          agentKey: agent.key, status: index < 2 ? .offline : .online, sentAt: now, monitoredInstances: ["i-\(index)"],
          instanceID: agent.machine.instanceID, az: index % 2 == 0 ? "eu-1b" : "eu-1a", configVersion: 0)
      }
      try await grown.expect(["agents.PRIMARY", "agents.agents_offline", "reactions.reactions_event"], orBy: ["agents.agents_status"]) {
        pool async throws in
        let gone = try await AgentStore(pool).applyHeartbeats(updates + [HeartbeatUpdate(agentKey: 999_999, status: .online, sentAt: now)])
        #expect(gone == [999_999])
      }
      try await grown.expect(["agents.agents_logical_id"]) { pool async throws in
        #expect(try await AgentStore(pool).directory(agents.map(\.address)).count == agents.count)
      }
    }
  }

  @Test func whoeverSendsIsFoundByAKey() async throws {
    try await GrownDatabase.with { grown in
      try await grown.expect(["clients.PRIMARY"]) { pool async throws in
        #expect(try await ClientStore(pool).accounts(ids: (0..<20).map { "client-\($0)" }).count == 20)
        #expect(try await ClientStore(pool).find(id: "client-7") != nil)
      }
      try await grown.expect(["clients.clients_token"]) { pool async throws in
        #expect(try await ClientStore(pool).find(token: "token-7")?.id == "client-7")
      }
      let agents = try await grown.agents([7, 8])
      try await grown.expect(["agents.agents_id", "agents.agents_logical_id"]) { pool async throws in
        #expect(try await AgentStore(pool).find(id: agents[0].id) == agents[0])
        #expect(try await AgentStore(pool).find(agents[1].address) == agents[1])
        #expect(try await AgentStore(pool).polling(ids: agents.map(\.id)).count == 2)
      }
    }
  }

  @Test func aRegistrationTouchesItsAgentAndItsCommandsOnly() async throws {
    try await GrownDatabase.with { grown in
      // With commands of each kind under way, and one that is back from being offline.
      let agents = try await grown.agents([1800, 1801, 1804])
      let now = try await grown.fleet.now()
      let keys: Set = [
        "agents.agents_logical_id", "agents.agents_id", "agent_tags.PRIMARY", "commands.commands_agent", "commands.PRIMARY",
        "reactions.reactions_event",
      ]
      try await grown.expect(keys) { pool async throws in
        for agent in agents {
          var request = FleetDatabase.request(agent.address.logicalAgentID, session: "new", sentAt: now)
          request.tags = ["role": "canary"]
          guard case .registered = try await AgentStore(pool).register(request, from: agent.address) else {
            Issue.record("\(agent.address.logicalAgentID) is not registered")
            continue
          }
        }
        let request = FleetDatabase.request("new", session: "s", sentAt: now)
        _ = try await AgentStore(pool).register(request, from: try AgentAddress(clientID: "client-3", logicalAgentID: "new"))
        _ = try await AgentStore(pool).prospect(of: agents[0].address, sentAt: now)
      }
    }
  }

  @Test func aCommandIsSentWithoutALookAtThoseThatHaveEnded() async throws {
    try await GrownDatabase.with { grown in
      let agents = try await grown.agents([2001, 2002, 2003])
      try await grown.expect(["c.PRIMARY", "commands.PRIMARY", "a.agents_id", "agents.agents_id"], orBy: Self.byStatus) {
        pool async throws in
        let store = CommandStore(pool)
        try await store.insert(agents.map { CommandDraft(agentID: $0.id, clientID: $0.address.clientID, commandType: "ping") })
        // Among those that wait is one of an agent that polls.
        let claimed = try await store.claim(limit: 100, lease: .seconds(60))
        #expect(claimed.count > 20)
        #expect(try await store.markQueued(Array(claimed.dropFirst())).marked == claimed.count - 1)
        try await store.release(claimed[0].seq, after: .seconds(1), error: "no route")
      }
    }
  }

  @Test func whatAgentsReportIsFoundByTheCommandsID() async throws {
    try await GrownDatabase.with { grown in
      let running = (GrownDatabase.commands - 100..<GrownDatabase.commands).filter { $0 % 4 == 3 }
      let agents = try await grown.agents(running.map { $0 % GrownDatabase.agents })
      let now = try await grown.fleet.now()
      let reports = zip(running, agents).map { number, agent in
        let result = CommandResult(
          commandID: "command-\(number)", agentID: agent.id, status: .succeeded, output: ["pong": true], startedAt: now, finishedAt: now,
          sentAt: now)
        return SignedReport(.result(result), from: agent.address)
      }
      try await grown.expect(["c.commands_id", "a.agents_id", "commands.PRIMARY", "agents.agents_id"]) { pool async throws in
        #expect(try await CommandStore(pool).apply(reports) == reports.map { _ in .accepted })
      }
      try await grown.expect(["commands.commands_id"]) { pool async throws in
        #expect(try await CommandStore(pool).find(id: "command-77") != nil)
      }
    }
  }

  @Test func commandsAreCalledOffWithoutALookAtThoseThatHaveEnded() async throws {
    try await GrownDatabase.with { grown in
      try await grown.expect([
        "commands.commands_id", "commands.PRIMARY", "c.commands_cancel", "c.PRIMARY", "a.agents_id", "agents.agents_id",
      ]) {
        pool async throws in
        let store = CommandStore(pool)
        #expect(try await store.requestCancel(ids: ["command-9901", "command-9902", "command-9904"]).count == 3)
        let due = try await store.claimCancellations(limit: 100, lease: .seconds(60))
        #expect(due.count > 5)
        try await store.markCancellations(due)
        try await store.closeUnansweredCancellations()
      }
    }
  }

  @Test func anAgentThatPollsIsGivenItsOwn() async throws {
    try await GrownDatabase.with { grown in
      let agent = try #require(try await grown.agents([1852]).first)
      try await grown.fleet.sql(
        "UPDATE commands SET status = 'queued', command_type = 'switch', expires_at = NULL, cancel_requested_at = NULL WHERE id = 'command-9852'"
      )
      try await grown.expect(["agents.agents_id", "commands.commands_agent", "commands.PRIMARY"]) { pool async throws in
        let polling = try #require(try await AgentStore(pool).polling(ids: [agent.id])[agent.id])
        #expect(try await CommandStore(pool).poll(polling).commands.map(\.id) == ["command-9852"])
      }
    }
  }

  @Test func whatIsLookedForEverySecondIsFoundAtOnce() async throws {
    try await GrownDatabase.with { grown in
      try await grown.expect(["commands.commands_expiry", "commands.PRIMARY", "agents.agents_id"]) { pool async throws in
        #expect(try await CommandStore(pool).closeExpired() > 5)
      }
      try await grown.expect(["commands.commands_running", "commands.PRIMARY", "agents.agents_id"]) { pool async throws in
        #expect(try await CommandStore(pool).closeOverrun() > 5)
      }
      try await grown.expect(["a.agents_id"], orBy: Self.byStatus) { pool async throws in
        #expect(try await CommandStore(pool).closeOrphaned() == 0)
      }
      try await grown.expect(["rollouts.rollouts_unfinished"]) { pool async throws in
        #expect(try await RolloutStore(pool).due().map(\.id) == ["rollout-9"])
      }
      try await grown.expect(["leases.PRIMARY"]) { pool async throws in
        #expect(try await Lease(pool, name: "lease-3", duration: .seconds(1)).take())
      }
    }
  }

  @Test func theSilentAreFoundHoweverManyAreGoneForGood() async throws {
    try await GrownDatabase.with { grown in
      try await grown.expect(["agents.agents_silence", "agents.PRIMARY", "reactions.reactions_event"]) { pool async throws in
        #expect(try await AgentStore(pool).markOffline(silentFor: .seconds(7200)).count == 20)
      }
    }
  }

  @Test func aNoticeIsStoredByItsAgentsKey() async throws {
    try await GrownDatabase.with { grown in
      let agent = try #require(try await grown.agents([1234]).first)
      let now = try await grown.fleet.now()
      try await grown.expect(["agents.agents_id", "agents.PRIMARY", "reactions.reactions_event"]) { pool async throws in
        let notice = SpotNotice(
          agentID: agent.id, kind: .interruption, action: "terminate", time: now, instanceID: agent.machine.instanceID, sentAt: now)
        #expect(try await AgentStore(pool).record(notice, from: agent.address) == .recorded)
      }
    }
  }

  @Test func theEventsThatWaitAreFoundAmongThoseThatWerePublished() async throws {
    try await GrownDatabase.with { grown in
      try await grown.expect(["fleet_events.fleet_events_outbox"], orBy: ["fleet_events.PRIMARY"]) { pool async throws in
        let store = FleetEventStore(pool)
        #expect(try await store.hasWaiting())
        let waiting = try await store.waiting(after: 0, limit: 100).rows
        #expect(waiting.count == 20)
        try await store.markPublished(Array(waiting.map(\.seq).dropLast()))
        #expect(try await store.hasWaiting())
      }
    }
  }

  @Test func whatIsOldIsFoundWithoutALookAtWhatIsYoung() async throws {
    try await GrownDatabase.with { grown in
      let keys: Set = [
        "system_events.system_events_age", "fleet_events.fleet_events_outbox", "reaction_runs.reaction_runs_age",
        "agent_notices.agent_notices_age", "rollouts.rollouts_unfinished", "rollouts.PRIMARY", "r.PRIMARY", "rollout_targets.PRIMARY",
        "commands.commands_age", "commands.PRIMARY",
      ]
      let log = BenchLog()
      try await grown.expect(keys) { pool async throws in
        try await Retention(pool, days: 30, rowsAtOnce: 100, logger: log.logger).removeWhatIsOld()
      }
      #expect(log.count("cannot be removed") == 0, "\(log.lines)")
      for table in ["system_events", "fleet_events", "reaction_runs", "agent_notices", "commands"] {
        #expect(try await grown.fleet.number("SELECT COUNT(*) AS n FROM \(table)") > 2500, "what is young stays in \(table)")
      }
    }
  }
}
