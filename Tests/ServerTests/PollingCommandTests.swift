import FleetProtocol
import ServiceRuntime
import TestSupport
import Testing

@testable import Server

/// What becomes of the commands of agents that poll.
@Suite struct PollingCommandTests {
  @Test func theFirstPollDeliversAndACommandStaysUntilItIsReported() async throws {
    try await PollingBench.run { bench in
      let id = try await bench.register("web-1")
      let normal = try await bench.command(id)
      let urgent = try await bench.command(id, "create_replica", priority: 100)
      let second = try await bench.command(id)
      #expect(try await bench.poll(id) == [urgent, normal, second])
      let delivered = try await bench.status(normal)
      #expect(delivered.status == .delivered && delivered.deliveredAt != nil && delivered.queuedAt != nil)
      #expect(try await bench.events(of: normal) == ["command.pending", "command.delivered"])
      // Neither a poll nor a restart of the agent takes it away.
      #expect(try await bench.register("web-1") == id)
      #expect(try await bench.poll(id) == [urgent, normal, second])
      try await bench.send("POST", "/api/agents/\(id)/commands/\(urgent)/executed", #"{"success":true,"message":"ok"}"#)
      try await bench.send("POST", "/api/agents/\(id)/commands/\(normal)/executed", #"{"success":false,"message":"no capacity"}"#)
      #expect(try await bench.poll(id) == [second])
      let good = try await bench.status(urgent)
      #expect(
        good.status == .succeeded && good.endedBy == .agent && good.output == #"{"message":"ok"}"# && good.startedAt == good.deliveredAt)
      let bad = try await bench.status(normal)
      #expect(bad.status == .failed && bad.error == "no capacity")
      #expect(try await bench.events(of: normal) == ["command.pending", "command.delivered", "command.failed"])
      // A report that is repeated changes nothing.
      let again = try await bench.send("POST", "/api/agents/\(id)/commands/\(normal)/executed", #"{"success":true,"message":"ok"}"#)
      #expect(again.status == 200)
      #expect(try await bench.status(normal).status == .failed)
      #expect(try await bench.events(of: normal).count == 3)
    }
  }

  @Test func twoPollsAtOnceDeliverOnceAndBothSeeIt() async throws {
    try await PollingBench.run { bench in
      let id = try await bench.register("web-1")
      let command = try await bench.command(id)
      let agent = try #require(try await bench.database.agents.polling(ids: [id])[id])
      let answers = try await withThrowingTaskGroup(of: [String].self) { group in
        for _ in 1...6 { group.addTask { try await bench.database.commands.poll(agent).commands.map(\.id) } }
        return try await group.reduce(into: [[String]]()) { $0.append($1) }
      }
      #expect(answers.allSatisfy { $0 == [command] })
      #expect(try await bench.events(of: command) == ["command.pending", "command.delivered"])
    }
  }

  @Test func claimsNeverTakeTheCommandsOfAgentsThatPoll() async throws {
    try await PollingBench.run { bench in
      let store = bench.database.commands
      let polling = try await bench.register("old")
      let consuming = try await bench.database.register("new", client: "c1")
      // More than one claim looks at, and all of them ahead of the one that is to be sent.
      var drafts: [CommandDraft] = []
      for _ in 1...120 {
        var draft = CommandDraft(agentID: polling, clientID: "c1", commandType: "switch")
        draft.priority = 100
        drafts.append(draft)
      }
      try await store.insert(drafts)
      let sent = try await bench.command(consuming.id, "ping")
      #expect(try await store.claim(limit: 50, lease: .seconds(60)).map(\.id) == [sent])
      #expect(try await bench.database.number("SELECT COUNT(*) AS n FROM commands WHERE status = 'queued' AND generation IS NULL") == 120)
      #expect(try await bench.events(of: drafts[0].id) == ["command.pending", "command.queued"])
      #expect(try await store.claim(limit: 50, lease: .seconds(60)).isEmpty)
      // A hundred in an answer, the oldest first.
      #expect(try await bench.poll(polling) == drafts.prefix(100).map(\.id))
    }
  }

  @Test func whatAV4AgentCannotRunEndsAtOnceAndNamesTheRemedy() async throws {
    try await PollingBench.run { bench in
      let id = try await bench.register("web-1")
      let ping = try await bench.command(id, "ping")
      #expect(try await bench.database.commands.claim(limit: 10, lease: .seconds(60)).isEmpty)
      let configure = try await bench.command(id, "configure")
      let broken = try await bench.command(id, "switch", ["target_pool_id": [1]])
      try await bench.database.sql(
        "INSERT INTO commands (id, agent_id, command_type, parameters) VALUES ('nonsense', '\(id)', 'switch', '{nonsense')")
      let good = try await bench.command(id)
      #expect(try await bench.poll(id) == [good])
      for command in [ping, configure] {
        let row = try await bench.status(command)
        #expect(row.status == .undeliverable && row.error?.contains("start spot-optimizer-agent with the same logical id") == true)
      }
      for command in [broken, "nonsense"] {
        let row = try await bench.status(command)
        #expect(row.status == .undeliverable && row.error?.contains("commands.parameters") == true, "\(row.error ?? "")")
      }
      #expect(try await bench.events(of: ping) == ["command.pending", "command.undeliverable"])
    }
  }

  @Test func aCommandThatIsCalledOffIsGivenToNobodyAnyMore() async throws {
    try await PollingBench.run { bench in
      let store = bench.database.commands
      let id = try await bench.register("web-1")
      let fetched = try await bench.command(id)
      #expect(try await bench.poll(id) == [fetched])
      let waiting = try await bench.command(id)
      _ = try await store.claim(limit: 10, lease: .seconds(60))
      #expect(try await bench.status(waiting).status == .queued)
      _ = try await store.requestCancel(ids: [fetched, waiting])
      #expect(try await bench.poll(id) == [])
      #expect(try await store.claimCancellations(limit: 10, lease: .seconds(60)).isEmpty, "there is no queue to send it to")
      #expect(try await store.closeUnansweredCancellations() == 2)
      #expect(try await bench.status(waiting).error == "cancelled before its agent fetched it")
      #expect(try await bench.status(fetched).error?.contains("its agent polls over HTTP and cannot be told") == true)
      // It was running after all: the agent's word is what counts.
      try await bench.send("POST", "/api/agents/\(id)/commands/\(fetched)/executed", #"{"success":true,"message":"ok"}"#)
      #expect(try await bench.status(fetched).status == .succeeded)
    }
  }

  @Test func theServerEndsWhatIsNotFetchedOrNotReportedInTime() async throws {
    try await PollingBench.run { bench in
      let store = bench.database.commands
      let id = try await bench.register("web-1")
      let late = try await bench.command(id)
      _ = try await store.claim(limit: 10, lease: .seconds(60))
      try await bench.database.sql("UPDATE commands SET expires_at = NOW(3) - INTERVAL 1 SECOND WHERE id = '\(late)'")
      #expect(try await bench.poll(id) == [])
      #expect(try await store.closeExpired() == 1)
      #expect(try await bench.status(late).status == .expired)

      let silent = try await bench.command(id, "switch", ["terminate_wait_seconds": 200])
      #expect(try await bench.poll(id) == [silent])
      let seconds = try await bench.database.number(
        "SELECT TIMESTAMPDIFF(SECOND, delivered_at, run_until) AS n FROM commands WHERE id = '\(silent)'")
      #expect(seconds == 900 + 200 + 30)
      // Fetched in time is in time: the delivery's limit is no more its own.
      try await bench.database.sql("UPDATE commands SET expires_at = NOW(3) - INTERVAL 1 DAY WHERE id = '\(silent)'")
      #expect(try await store.closeExpired() == 0)
      #expect(try await store.closeOverrun() == 0)
      try await bench.database.sql("UPDATE commands SET run_until = NOW(3) - INTERVAL 1 SECOND WHERE id = '\(silent)'")
      #expect(try await bench.poll(id) == [])
      #expect(try await store.closeOverrun() == 1)
      let row = try await bench.status(silent)
      #expect(row.status == .timedOut && row.endedBy == .server && row.error?.contains("whether it ran is not known") == true)
      try await bench.send("POST", "/api/agents/\(id)/commands/\(silent)/executed", #"{"success":true,"message":"ok"}"#)
      #expect(try await bench.status(silent).status == .succeeded)
    }
  }

  @Test func rolloutsGiveV4AgentsWhatTheyRunAndWaitWithTheRest() async throws {
    #expect(RolloutStore.canBeGiven("switch").contains("transport = 'http'"))
    #expect(!RolloutStore.canBeGiven("ping").contains("transport"))
  }
}
