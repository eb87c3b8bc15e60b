import FleetProtocol
import MySQL
import ServiceRuntime
import TestSupport
import Testing

@testable import Server

@Suite struct RolloutStoreTests {
  @Test func coordinatorsAtOnceNeverExceedTheWindowAndEachTargetGetsOneCommand() async throws {
    try await FleetDatabase.with { database in
      try await database.addAgents(150)
      let id = try await database.start(concurrency: "10")
      let isDone = Lock(false)
      let most = try await withThrowingTaskGroup(of: Int.self) { group in
        for _ in 0..<3 {
          group.addTask {
            var most = 0
            let deadline = ContinuousClock.now + .seconds(60)
            while try await database.rollout(id).state == .running, ContinuousClock.now < deadline {
              _ = try await database.rollouts.step(id, isThorough: false)
              most = max(most, try await database.inFlight(id))
            }
            isDone.withLock { $0 = true }
            return most
          }
        }
        group.addTask {
          // Nothing ends before the window was seen full, so that its size, too, does not depend on who is quicker.
          var full = 0
          while full < 10, !isDone.withLock({ $0 }) { full = try await database.inFlight(id) }
          while !isDone.withLock({ $0 }) { try await database.end(id, Int.random(in: 1...7)) }
          return full
        }
        return try await group.reduce(0) { max($0, $1) }
      }
      #expect(most == 10)
      let rollout = try await database.rollout(id)
      #expect(rollout.state == .completed && rollout.counts.succeeded == 150 && rollout.finishedAt != nil)
      #expect(try await database.number("SELECT COUNT(*) AS n FROM commands WHERE rollout_id = '\(id)'") == 150)
      #expect(try await database.number("SELECT COUNT(DISTINCT agent_id) AS n FROM commands WHERE rollout_id = '\(id)'") == 150)
      #expect(try await database.events(about: id) == ["rollout.started", "rollout.completed"])
      #expect(try await database.countsAreTrue(id))
    }
  }

  @Test func aPreparationThatWasCutOffIsFinishedByAnyoneAndNobodyIsWrittenDownTwice() async throws {
    try await FleetDatabase.with { database in
      try await database.addAgents(95)
      let draft = RolloutDraft(commandType: "ping", target: "all")
      try await database.rollouts.create(draft)
      for _ in 0..<3 { #expect(try await database.rollouts.preparePage(draft.id, limit: 10)) }
      #expect(try await database.rollout(draft.id).state == .preparing)
      #expect(try await database.rollouts.due().isEmpty, "somebody is at it")
      try await database.sql("UPDATE rollouts SET prepared_at = NOW(3) - INTERVAL 6 SECOND")
      #expect(try await database.rollouts.due() == [RolloutStore.Due(id: draft.id, state: .preparing)])
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<3 { group.addTask { while try await database.rollouts.preparePage(draft.id, limit: 10) {} } }
        try await group.waitForAll()
      }
      let rollout = try await database.rollout(draft.id)
      #expect(rollout.state == .running && rollout.counts.waiting == 95)
      #expect(rollout.policy == RolloutPolicy(concurrency: 9, tolerated: 4, canary: 0, toleratedInCanary: 0))
      #expect(try await database.countsAreTrue(draft.id))
      #expect(try await database.events(about: draft.id) == ["rollout.started"])
    }
  }

  @Test func aTargetIsWhoFitsWhenItIsFrozen() async throws {
    try await FleetDatabase.with { database in
      try await database.addAgents(3, prefix: "web")
      try await database.addAgents(2, prefix: "db")
      let id = try await database.start(target: "name=web-*", concurrency: "100%")
      try await database.addAgents(1, prefix: "web-late")
      #expect(try await database.advance(id).started == 3)
      let nobody = try await database.start(target: "name=nobody", concurrency: "100%")
      try await database.advance(nobody)
      let rollout = try await database.rollout(nobody)
      #expect(rollout.state == .completed && rollout.reason == "no agent matched the target")
    }
  }

  @Test func fortyThousandTargetsAreWrittenInBatchesAndTheFirstWaveStarts() async throws {
    try await FleetDatabase.with { database in
      try await database.addAgents(40_000)
      let start = ContinuousClock.now
      let id = try await database.start(concurrency: "5%")
      let preparing = start.duration(to: .now)
      let wave = try await timed(database, id)
      try await database.end(id)
      let next = try await timed(database, id)
      let idle = try await timed(database, id)
      try await database.sql("UPDATE agents SET status = 'offline'")
      try await database.end(id)
      try await database.advance(id)
      let away = try await timed(database, id)
      #expect(wave.step.started == 2000 && next.step.collected == 2000 && next.step.started == 2000)
      #expect(idle.step.didNothing && away.step.didNothing)
      print(
        "40,000 targets: prepared in \(preparing), first 2,000 commands in \(wave.took), 2,000 ends and 2,000 more commands in \(next.took), an idle look \(idle.took), "
          + "one at 36,000 that are away \(away.took)")
      #expect(try await database.rollout(id).counts.waiting == 36_000)
      #expect(try await database.rollouts.progress(id)?.away == 36_000)
      #expect(try await database.countsAreTrue(id))
    }
  }

  private func timed(_ database: FleetDatabase, _ id: String) async throws -> (step: RolloutStep, took: Duration) {
    let start = ContinuousClock.now
    let step = try await database.advance(id)
    return (step, start.duration(to: .now))
  }

  @Test func agentsThatAreAwayDoNotHoldTheWindowAndGetTheirsWhenTheyComeBack() async throws {
    try await FleetDatabase.with { database in
      try await database.addAgents(4, prefix: "on")
      try await database.addAgents(6, prefix: "off", status: .offline)
      let id = try await database.start(concurrency: "2")
      for _ in 0..<2 {
        #expect(try await database.advance(id).started == 2)
        try await database.end(id)
      }
      #expect(try await database.advance(id).started == 0)
      let progress = try #require(try await database.rollouts.progress(id))
      #expect(progress.away == 6 && progress.rollout.counts.succeeded == 4 && progress.rollout.state == .running)
      #expect(progress.estimate == nil)
      try await database.sql("UPDATE agents SET status = 'disabled' WHERE logical_agent_id = 'off-1'")
      let waiting = try #require(try await database.rollouts.progress(id))
      #expect(waiting.away == 6 && waiting.offline == 5 && waiting.disabled == 1)
      try await database.sql("UPDATE agents SET status = 'online' WHERE logical_agent_id IN ('off-1', 'off-2', 'off-3')")
      #expect(try await database.advance(id).started == 2)
      try await database.end(id)
      #expect(try await database.advance(id).started == 1)
      try await database.end(id)
      // One is deleted, the others never come back.
      try await database.sql("DELETE FROM agents WHERE logical_agent_id = 'off-0'")
      try await database.advance(id)
      #expect(try await database.rollout(id).counts.gone == 1)
      try await database.sql("UPDATE rollouts SET give_up_at = NOW(3)")
      try await database.advance(id)
      let rollout = try await database.rollout(id)
      #expect(rollout.state == .completed && rollout.counts.succeeded == 7 && rollout.counts.givenUp == 2 && rollout.counts.gone == 1)
      #expect(try await database.countsAreTrue(id))
    }
  }

  @Test func aCommandThatDidNotReachItsAgentIsNoErrorAndItsTargetWaitsAgain() async throws {
    try await FleetDatabase.with { database in
      try await database.addAgents(3)
      let id = try await database.start(concurrency: "3")
      try await database.advance(id)
      try await database.end(id, 1, as: .expired, of: "agent-0")
      try await database.end(id, 1, as: .undeliverable, error: "no such queue", of: "agent-1")
      try await database.end(id, 1, of: "agent-2")
      try await database.advance(id)
      var counts = try await database.rollout(id).counts
      #expect(counts.waiting == 2 && counts.succeeded == 1 && counts.errors == 0)
      // Not at once: it may go on failing.
      #expect(try await database.advance(id).started == 0)
      try await database.sql("UPDATE rollout_targets SET ended_at = ended_at - INTERVAL 6 SECOND")
      // One of the two had reached its agent after all, which says so only now: nobody runs it twice.
      try await database.sql(
        "UPDATE commands SET status = 'succeeded' WHERE status = 'expired' AND agent_id = (SELECT id FROM agents WHERE logical_agent_id = 'agent-0')"
      )
      let again = try await database.advance(id)
      #expect(again.started == 1)
      counts = try await database.rollout(id).counts
      #expect(counts.succeeded == 2 && counts.sent == 1)
      // The last attempt.
      try await database.sql("UPDATE rollout_targets SET attempts = \(RolloutStore.mostAttempts) WHERE state = 'sent'")
      try await database.end(id, as: .expired)
      try await database.advance(id)
      let rollout = try await database.rollout(id)
      #expect(rollout.state == .completed && rollout.counts.givenUp == 1 && rollout.counts.errors == 0)
      #expect(try await database.number("SELECT COUNT(*) AS n FROM commands") == 4)
    }
  }

  @Test func tooManyErrorsPauseItAndItSaysOnWhom() async throws {
    try await FleetDatabase.with { database in
      try await database.addAgents(20)
      let id = try await database.start(concurrency: "5", maxErrors: "1")
      try await database.advance(id)
      try await database.end(id, 1, as: .failed, error: "exit status 3")
      #expect(try await database.advance(id).started == 1)
      try await database.end(id, 1, as: .timedOut, error: "still ran after 60 s")
      try await database.advance(id)
      let rollout = try await database.rollout(id)
      #expect(rollout.state == .paused && rollout.counts.sent == 4 && rollout.counts.waiting == 14)
      let reason = try #require(rollout.reason)
      #expect(reason.hasPrefix("2 errors, where max-errors 1 tolerates 1: ") && reason.contains("(failed: exit status 3)"), "\(reason)")
      #expect(reason.contains("(timed_out: still ran after 60 s)"), "\(reason)")
      // What is under way ends and is counted; nothing starts.
      try await database.end(id)
      #expect(try await database.rollouts.due().map(\.id) == [id])
      #expect(try await database.advance(id).collected == 4)
      #expect(try await database.rollouts.due().isEmpty)
      #expect(try await database.events(about: id) == ["rollout.started", "rollout.paused"])
      #expect(try await database.countsAreTrue(id))
    }
  }

  @Test func anEndThatTheServerHadOnlyBelievedIsCorrected() async throws {
    try await FleetDatabase.with { database in
      try await database.addAgents(10)
      let id = try await database.start(concurrency: "2", maxErrors: "1")
      try await database.advance(id)
      try await database.end(id, 1, as: .timedOut)
      try await database.advance(id)
      #expect(try await database.rollout(id).counts.timedOut == 1)
      try await database.sql("UPDATE commands SET status = 'succeeded' WHERE status = 'timed_out'")
      try await database.advance(id)
      let counts = try await database.rollout(id).counts
      #expect(counts.timedOut == 0 && counts.succeeded == 1)
    }
  }

  @Test func theCanaryGoesFirst() async throws {
    try await FleetDatabase.with { database in
      try await database.addAgents(40)
      let id = try await database.start(concurrency: "50%", maxErrors: "10%", canary: "3")
      #expect(try await database.advance(id).started == 3)
      try await database.end(id, 2)
      #expect(try await database.advance(id).started == 0)
      try await database.end(id, 1, as: .failed)
      try await database.advance(id)
      let paused = try await database.rollout(id)
      #expect(paused.state == .paused && paused.reason?.contains("in the canary") == true && paused.reason?.contains("tolerates 0") == true)
      #expect(try #require(try await database.rollouts.resume(id)).state == .running)
      #expect(try await database.advance(id).started == 20)
    }
  }
}
