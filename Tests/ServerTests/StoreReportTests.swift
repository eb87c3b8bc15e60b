import FleetProtocol
import MySQL
import ServiceRuntime
import Testing

@testable import Server

/// Reports of agents on the tables: rows and events of one batch in one transaction.
@Suite struct StoreReportTests {
  private func progress(_ id: String, _ agent: Agent, _ stage: CommandProgress.Stage, at: Timestamp) -> SignedReport {
    SignedReport(
      .progress(
        CommandProgress(commandID: id, agentID: agent.id, stage: stage, reason: stage == .refused ? "no" : nil, at: at, sentAt: at)),
      from: agent.address)
  }

  private func result(_ id: String, _ agent: Agent, _ status: CommandResult.Outcome = .succeeded, at: Timestamp, stdout: String? = nil)
    -> SignedReport
  {
    SignedReport(
      .result(
        CommandResult(
          commandID: id, agentID: agent.id, status: status, exitCode: stdout == nil ? nil : 0, standardOutput: stdout,
          standardError: stdout.map { _ in "e" }, standardOutputBytes: stdout.map { $0.utf8.count + 5 },
          standardErrorBytes: stdout.map { _ in 1 },
          startedAt: at, finishedAt: at, sentAt: at)), from: agent.address)
  }

  @Test func everyStepIsStampedAndToldInTheOrderItCame() async throws {
    try await FleetDatabase.with { database in
      let agent = try await database.register("a1")
      var draft = CommandDraft(agentID: agent.id, clientID: "c1", commandType: "disk-usage")
      draft.source = "spotctl"
      draft.rolloutID = "r1"
      let id = try await database.commands.insert(draft)
      #expect(try await database.commands.markQueued(try await database.commands.claim(limit: 9, lease: .seconds(60))).marked == 1)
      let at = try await database.now()
      let text = "line 'one'\nüñ\u{1F600}\u{0}\\"
      let outcomes = try await database.commands.apply([
        progress(id, agent, .delivered, at: at), progress(id, agent, .running, at: at), progress(id, agent, .running, at: at),
        result(id, agent, at: at, stdout: text), result(id, agent, .failed, at: at),
      ])
      #expect(outcomes == [.accepted, .accepted, .duplicate, .accepted, .duplicate])
      let row = try #require(try await database.commands.find(id: id))
      #expect(row.status == .succeeded && row.endedBy == .agent && row.exitCode == 0)
      #expect(row.queuedAt != nil && row.deliveredAt == at && row.startedAt == at && row.finishedAt == at)
      #expect(row.standardOutputBytes == text.utf8.count + 5 && row.standardErrorBytes == 1)
      let texts = try #require(try await database.commands.outputTexts(id: id))
      #expect(texts.standardOutput == text && texts.standardError == "e")
      let events = try await database.commandEvents(of: id)
      #expect(events.map(\.type) == ["pending", "queued", "delivered", "running", "succeeded"].map { "command.\($0)" })
      let last = try #require(events.last)
      #expect(
        last.clientID == "c1" && last.data["logical_agent_id"] == "a1" && last.data["rollout_id"] == "r1" && last.data["exit_code"] == 0)
      #expect(last.data["source"] == "spotctl" && last.data["corrects"] == nil)
    }
  }

  @Test func manyAgentsInAnyOrderInOneBatch() async throws {
    try await FleetDatabase.with { database in
      var agents: [Agent] = []
      for number in 0..<5 { agents.append(try await database.register("a\(number)")) }
      var ids: [(id: String, agent: Agent)] = []
      for number in 0..<100 {
        let agent = agents[number % 5]
        ids.append((try await database.commands.insert(agentID: agent.id, commandType: "ping"), agent))
      }
      let at = try await database.now()
      var reports: [SignedReport] = []
      for (id, agent) in ids.shuffled() { reports += [progress(id, agent, .running, at: at), result(id, agent, at: at)] }
      let (first, second) = (Array(reports.prefix(120)), Array(reports.suffix(120)))
      // Two workers at once, with rows in common: neither waits for the other in a ring.
      async let one = database.commands.apply(first)
      async let two = database.commands.apply(second)
      let outcomes = try await one + two
      #expect(outcomes.allSatisfy { $0 == .accepted || $0 == .duplicate })
      #expect(try await database.commands.list(.init(status: .succeeded)).rows.count == 100)
      let ends = try await database.sql("SELECT COUNT(*) AS n FROM fleet_events WHERE type = 'command.succeeded'")
      #expect(try ends.first?.int("n") == 100)
    }
  }

  @Test func aBeliefOfTheServersIsCorrectedAndTheCorrectionIsTold() async throws {
    try await FleetDatabase.with { database in
      let agent = try await database.register("a1")
      let id = try await database.commands.insert(agentID: agent.id, commandType: "ping")
      let at = try await database.now()
      _ = try await database.commands.apply([progress(id, agent, .running, at: at)])
      try await database.sql("UPDATE commands SET run_until = NOW(3) - INTERVAL 1 SECOND")
      #expect(try await database.commands.closeOverrun() == 1)
      let closed = try #require(try await database.commands.find(id: id))
      #expect(closed.status == .timedOut && closed.endedBy == .server && closed.error?.contains("the agent stayed silent") == true)
      #expect(try await database.commands.apply([result(id, agent, at: at)]) == [.accepted])
      let corrected = try #require(try await database.commands.find(id: id))
      #expect(corrected.status == .succeeded && corrected.endedBy == .agent && corrected.error == nil)
      #expect(try await database.commandEvents(of: id).last?.data["corrects"] == "timed_out")
      #expect(try await database.commands.apply([result(id, agent, .failed, at: at)]) == [.duplicate], "its word is final")
    }
  }

  @Test func aStartedCommandIsNotSentAgainByALateMarkOrAnotherRegistration() async throws {
    try await FleetDatabase.with { database in
      let agent = try await database.register("a1")
      let delivered = try await database.commands.insert(agentID: agent.id, commandType: "ping")
      let running = try await database.commands.insert(agentID: agent.id, commandType: "ping")
      let queued = try await database.commands.insert(agentID: agent.id, commandType: "ping")
      let claimed = try await database.commands.claim(limit: 9, lease: .seconds(60))
      let at = try await database.now()
      _ = try await database.commands.apply([progress(delivered, agent, .delivered, at: at), progress(running, agent, .running, at: at)])
      #expect(try await database.commands.markQueued(claimed).marked == 1)
      try await database.register("a1", session: "s2", sentAt: at.advanced(by: .milliseconds(5)))
      #expect(try await database.commands.find(id: delivered)?.status == .delivered)
      #expect(try await database.commands.find(id: running)?.status == .running)
      #expect(try await database.commands.find(id: queued)?.status == .pending)
      #expect(try await database.commandEvents(of: queued).map(\.type).suffix(2) == ["command.queued", "command.pending"])
      #expect(try await database.commands.claim(limit: 9, lease: .seconds(60)).map(\.id) == [queued])
    }
  }

  @Test func aReportOfNobodysCommandIsToldApart() async throws {
    try await FleetDatabase.with { database in
      let agent = try await database.register("a1")
      let other = try await database.register("a2")
      let id = try await database.commands.insert(agentID: agent.id, commandType: "ping")
      let strange = try await database.commands.insert(agentID: agent.id, commandType: "ping")
      try await database.sql("UPDATE commands SET status = 'lost' WHERE id = '\(strange)'")
      let at = try await database.now()
      let stolen = SignedReport(progress(id, agent, .running, at: at).report, from: other.address)
      let outcomes = try await database.commands.apply([
        stolen, progress("nothing", agent, .running, at: at), progress(strange, agent, .running, at: at),
        progress(id, agent, .refused, at: at),
      ])
      #expect(outcomes.prefix(2) == [.unknown, .unknown])
      guard case .unusable(let problem) = outcomes[2], case .refused = outcomes[3] else {
        Issue.record("\(outcomes)")
        return
      }
      #expect(problem.contains("commands.status is 'lost'"))
      let row = try #require(try await database.commands.find(id: id))
      #expect(row.status == .pending && row.error?.contains("refused") == true)
      #expect(try await database.commandEvents(of: id).last?.type == "command.refused")
    }
  }

  @Test func largeOutputsOfOneBatchArePutIntoSeveralStatements() async throws {
    try await FleetDatabase.with { database in
      let agent = try await database.register("a1")
      let text = String(repeating: "'quoted' \\ and\n", count: MessageLimits.outputBytes / 15)
      var ids: [String] = []
      for _ in 0..<12 { ids.append(try await database.commands.insert(agentID: agent.id, commandType: "big")) }
      let at = try await database.now()
      #expect(try await database.commands.apply(ids.map { result($0, agent, at: at, stdout: text) }).allSatisfy { $0 == .accepted })
      for id in ids { #expect(try await database.commands.outputTexts(id: id)?.standardOutput == text) }
    }
  }
}

extension FleetDatabase {
  /// The events of one command, in order.
  func commandEvents(of id: String) async throws -> [FleetEvent] {
    try await sql("SELECT type, client_id, subject, data FROM fleet_events WHERE subject = '\(id)' ORDER BY seq").map { row in
      FleetEvent(
        try row.string("type"), clientID: try row.optionalString("client_id"), subject: try row.string("subject"),
        data: try WireCoding.decodeJSON(JSONValue.self, from: Array(try row.string("data").utf8)))
    }
  }
}
