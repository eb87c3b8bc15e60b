import FleetProtocol
import MySQL
import ServiceRuntime
import Testing

@testable import Server

/// Calling commands off and closing what nobody speaks of any more, on the tables.
@Suite struct StoreCancelTests {
  private func command(_ database: FleetDatabase, _ agent: Agent, _ status: CommandStatus, rollout: String? = nil) async throws -> String {
    var draft = CommandDraft(agentID: agent.id, clientID: "c1", commandType: "ping")
    draft.rolloutID = rollout
    let id = try await database.commands.insert(draft)
    try await database.sql("UPDATE commands SET status = '\(status.rawValue)' WHERE id = '\(id)'")
    return id
  }

  private func row(_ id: String, _ database: FleetDatabase) async throws -> StoredCommand {
    try #require(try await database.commands.find(id: id))
  }

  @Test func whatWasNotSentIsCancelledAtOnceAndTheRestIsAskedFor() async throws {
    try await FleetDatabase.with { database in
      let agent = try await database.register("a1")
      var ids: [CommandStatus: String] = [:]
      for status in [CommandStatus.pending, .queued, .delivered, .running, .succeeded] {
        ids[status] = try await command(database, agent, status)
      }
      let answers = try await database.commands.requestCancel(ids: Array(ids.values) + ["nothing"])
      #expect(answers["nothing"] == .unknown && answers.count == 6)
      #expect(answers[ids[.pending] ?? ""] == .cancelled && answers[ids[.succeeded] ?? ""] == .ended(.succeeded))
      for status in [CommandStatus.queued, .delivered, .running] {
        let id = try #require(ids[status])
        #expect(answers[id] == .requested)
        let row = try await row(id, database)
        #expect(row.status == status && row.cancelRequestedAt != nil)
      }
      let cancelled = try await row(try #require(ids[.pending]), database)
      #expect(cancelled.status == .cancelled && cancelled.error == "cancelled before it was sent" && cancelled.endedBy == .server)
      #expect(try await database.commandEvents(of: cancelled.id).last?.type == "command.cancelled")
      // Asked for again, nothing changes.
      #expect(try await database.commands.requestCancel(ids: [cancelled.id]) == [cancelled.id: .ended(.cancelled)])
      #expect(try await database.commands.claimCancellations(limit: 10, lease: .seconds(60)).count == 3)
      #expect(try await database.commands.claimCancellations(limit: 10, lease: .seconds(60)).isEmpty, "another dispatcher has them")
    }
  }

  @Test func aCancellationIsSentOnceForEachQueueOfTheAgent() async throws {
    try await FleetDatabase.with { database in
      let agent = try await database.register("a1")
      let id = try await command(database, agent, .running)
      _ = try await database.commands.requestCancel(ids: [id])
      let first = try await database.commands.claimCancellations(limit: 10, lease: .seconds(60))
      #expect(first.map(\.generation) == [1] && first.map(\.queue) == [agent.queue ?? ""] && first.map(\.commandID) == [id])
      try await database.commands.markCancellations(first)
      #expect(try await database.commands.claimCancellations(limit: 10, lease: .seconds(60)).isEmpty)
      try await database.register("a1", session: "s2", sentAt: try await database.now().advanced(by: .milliseconds(5)))
      let second = try await database.commands.claimCancellations(limit: 10, lease: .seconds(60))
      #expect(second.map(\.generation) == [2])
      try await database.commands.releaseCancellations(second, after: .zero)
      #expect(try await database.commands.claimCancellations(limit: 10, lease: .seconds(60)).count == 1, "given back, it is due again")
      let result = CommandResult(
        commandID: id, agentID: agent.id, status: .cancelled, error: "killed while it ran", startedAt: .now(), finishedAt: .now(),
        sentAt: .now())
      #expect(try await database.commands.finish(result, from: agent.address) == .accepted)
      try await database.register("a1", session: "s3", sentAt: try await database.now().advanced(by: .milliseconds(9)))
      #expect(try await database.commands.claimCancellations(limit: 10, lease: .seconds(60)).isEmpty, "it has ended")
    }
  }

  @Test func whatNobodyWillAnswerIsEndedByTheServerWithItsPlace() async throws {
    try await FleetDatabase.with { database in
      let offline = try await database.register("a1")
      let alive = try await database.register("a2")
      let (queued, delivered, running) = (
        try await command(database, offline, .queued), try await command(database, offline, .delivered),
        try await command(database, offline, .running)
      )
      let waiting = try await command(database, alive, .queued)
      _ = try await database.commands.requestCancel(ids: [queued, delivered, running, waiting])
      try await database.sql("UPDATE agents SET status = 'offline' WHERE id = '\(offline.id)'")
      #expect(try await database.commands.closeUnansweredCancellations() == 0, "its queue must have the cancellation first")
      try await database.commands.markCancellations(try await database.commands.claimCancellations(limit: 10, lease: .seconds(60)))
      #expect(try await database.commands.closeUnansweredCancellations() == 2)
      #expect(try await row(queued, database).error == "cancelled in the agent's queue; its agent is offline or gone")
      #expect(try await row(delivered, database).error?.hasPrefix("cancelled before it was started") == true)
      #expect(try await row(running, database).status == .running)
      #expect(try await row(waiting, database).status == .queued)
      // A registration would have it sent once more; called off, it is not.
      try await database.register("a2", session: "s2", sentAt: try await database.now().advanced(by: .milliseconds(5)))
      #expect(try await row(waiting, database).status == .pending)
      #expect(try await database.commands.claim(limit: 9, lease: .seconds(60)).isEmpty)
      try await database.commands.markCancellations(try await database.commands.claimCancellations(limit: 10, lease: .seconds(60)))
      #expect(try await database.commands.closeUnansweredCancellations() == 1)
      #expect(try await row(waiting, database).error == "cancelled before it was sent")
    }
  }

  @Test func aRolloutIsCalledOffInBatches() async throws {
    try await FleetDatabase.with { database in
      let agent = try await database.register("a1")
      for status in [CommandStatus.pending, .pending, .pending, .queued, .running, .failed] {
        _ = try await command(database, agent, status, rollout: "r1")
      }
      let other = try await command(database, agent, .pending, rollout: "r2")
      let counts = try await database.commands.requestCancel(rolloutID: "r1", batch: 2)
      #expect(counts.cancelled == 3 && counts.requested == 2)
      #expect(try await database.commands.requestCancel(rolloutID: "r1") == CancelCounts(), "what was asked for is not asked for twice")
      #expect(try await row(other, database).status == .pending)
      var filter = CommandStore.Filter(status: .cancelled)
      filter.rolloutID = "r1"
      #expect(try await database.commands.list(filter).rows.count == 3)
    }
  }

  @Test func aCommandThatIsCalledOffWhileItIsBeingSentIsTold() async throws {
    try await FleetDatabase.with { database in
      let agent = try await database.register("a1")
      let id = try await database.commands.insert(agentID: agent.id, commandType: "ping")
      let claimed = try await database.commands.claim(limit: 1, lease: .seconds(60))
      #expect(try await database.commands.requestCancel(ids: [id]) == [id: .cancelled])
      let marked = try await database.commands.markQueued(claimed)
      #expect(marked.marked == 0 && marked.calledOff.map(\.id) == [id])
      #expect(try await row(id, database).status == .cancelled)
    }
  }

  @Test func eachTimeOutEndsWhatItIsFor() async throws {
    try await FleetDatabase.with { database in
      let agent = try await database.register("a1")
      var ids: [CommandStatus: String] = [:]
      for status in [CommandStatus.pending, .queued, .delivered, .running] { ids[status] = try await command(database, agent, status) }
      try await database.sql("UPDATE commands SET expires_at = NOW(3) - INTERVAL 1 SECOND")
      #expect(try await database.commands.closeExpired() == 2, "the agent's report of a delivered one may be on its way")
      try await database.sql("UPDATE commands SET expires_at = NOW(3) - INTERVAL 61 SECOND")
      #expect(try await database.commands.closeExpired() == 1)
      #expect(try await row(try #require(ids[.pending]), database).status == .expired)
      #expect(try await row(try #require(ids[.delivered]), database).error?.contains("did not start it") == true)
      #expect(try await row(try #require(ids[.running]), database).status == .running, "what runs has another time-out")
      #expect(try await database.commands.closeOverrun() == 0)
      try await database.sql("UPDATE commands SET run_until = NOW(3) - INTERVAL 1 SECOND, timeout_seconds = 7 WHERE status = 'running'")
      #expect(try await database.commands.closeOverrun() == 1)
      #expect(try await row(try #require(ids[.running]), database).error?.contains("30s after the 7s") == true)
      // Written by bare SQL it has neither limit, and waits for ever.
      try await database.sql("INSERT INTO commands (agent_id, command_type) VALUES ('\(agent.id)', 'ping')")
      #expect(try await database.commands.closeExpired() == 0)
    }
  }

  @Test func theSweepsFindTheirRowsByAnIndex() async throws {
    try await FleetDatabase.with { database in
      let agent = try await database.register("a1")
      for _ in 0..<300 { _ = try await command(database, agent, .succeeded) }
      try await database.sql("UPDATE commands SET cancel_requested_at = NOW(3)")
      for (query, key) in [
        ("SELECT seq FROM commands WHERE status = 'queued' AND expires_at <= NOW(3) ORDER BY expires_at LIMIT 1000", "commands_expiry"),
        ("SELECT seq FROM commands WHERE status = 'running' AND run_until <= NOW(3) ORDER BY run_until LIMIT 1000", "commands_running"),
        (
          "SELECT seq FROM commands FORCE INDEX (commands_cancel) WHERE status IN ('pending', 'queued') AND cancel_requested_at IS NOT NULL",
          "commands_cancel"
        ),
      ] {
        let plan = try #require(try await database.sql("EXPLAIN FORMAT=TRADITIONAL \(query)").first)
        #expect(try plan.optionalString("key") == key)
        #expect(try plan.int("rows") < 10, "what has ended is not looked at")
      }
    }
  }
}
