import FleetProtocol
import MySQL
import ServiceRuntime
import TestSupport
import Testing

@testable import Server

/// What an operator orders of a rollout.
@Suite struct RolloutOrderTests {
  @Test func pausedNothingStartsAndResumedItGoesOn() async throws {
    try await FleetDatabase.with { database in
      try await database.addAgents(10)
      let id = try await database.start(concurrency: "3")
      try await database.advance(id)
      #expect(try #require(try await database.rollouts.pause(id, reason: "by somebody")).reason == "by somebody")
      try await database.end(id)
      let step = try await database.advance(id)
      #expect(step.collected == 3 && step.started == 0)
      let before = try #require(try await database.rollout(id).giveUpAt)
      try await database.sql("UPDATE rollouts SET paused_at = paused_at - INTERVAL 1 HOUR")
      let resumed = try #require(try await database.rollouts.resume(id))
      #expect(resumed.state == .running && resumed.reason == nil && resumed.pausedAt == nil)
      #expect(try #require(resumed.giveUpAt).since(before) >= .seconds(3600), "paused time counts for its lifetime")
      #expect(try await database.advance(id).started == 3)
      #expect(try await database.events(about: id) == ["rollout.started", "rollout.paused", "rollout.resumed"])
    }
  }

  @Test func errorsThatSomebodyHasSeenAreForgivenWhenItIsResumed() async throws {
    try await FleetDatabase.with { database in
      try await database.addAgents(10)
      let id = try await database.start(concurrency: "2", maxErrors: "1")
      for _ in 0..<2 {
        try await database.advance(id)
        try await database.end(id, as: .failed)
        try await database.advance(id)
        #expect(try await database.rollout(id).state == .paused)
        #expect(try await database.rollouts.resume(id) != nil)
      }
      #expect(try await database.rollout(id).counts.failed == 4)
    }
  }

  @Test func retriedOnlyThoseThatFailedGetACommandAgain() async throws {
    try await FleetDatabase.with { database in
      try await database.addAgents(12)
      let id = try await database.start(concurrency: "12", maxErrors: "100%")
      try await database.advance(id)
      try await database.end(id, 2, as: .failed, error: "no")
      try await database.end(id, 1, as: .timedOut)
      try await database.end(id)
      try await database.advance(id)
      let completed = try await database.rollout(id)
      #expect(completed.state == .completed && completed.counts.failed == 2 && completed.counts.timedOut == 1)
      let failed = try await database.sql("SELECT agent_id FROM rollout_targets WHERE state <> 'succeeded'").map {
        try $0.string("agent_id")
      }
      let retried = try #require(try await database.rollouts.retry(id))
      #expect(retried.state == .running && retried.finishedAt == nil)
      #expect(try await database.rollouts.due().map(\.id) == [id])
      #expect(try await database.advance(id).started == 3)
      let second = try await database.sql("SELECT agent_id FROM commands WHERE status = 'pending'").map { try $0.string("agent_id") }
      #expect(Set(second) == Set(failed))
      try await database.end(id)
      try await database.advance(id)
      let rollout = try await database.rollout(id)
      #expect(rollout.state == .completed && rollout.counts.succeeded == 12)
      #expect(try await database.number("SELECT COUNT(*) AS n FROM rollout_targets WHERE attempts = 2") == 3)
      #expect(
        try await database.events(about: id) == ["rollout.started", "rollout.completed", "rollout.resumed", "rollout.completed"])
      await #expect(throws: RolloutOrderError.self) { _ = try await database.rollouts.retry(id) }
    }
  }

  @Test func cancelledWhatWaitsIsCalledOffAndItIsOverWhenTheLastHasEnded() async throws {
    try await FleetDatabase.with { database in
      try await database.addAgents(2500)
      let id = try await database.start(concurrency: "4")
      try await database.advance(id)
      #expect(try #require(try await database.rollouts.cancel(id, keepRunning: true, reason: "by somebody")).state == .cancelled)
      try await database.advance(id)
      var rollout = try await database.rollout(id)
      #expect(rollout.counts.calledOff == 2496 && rollout.counts.sent == 4 && rollout.finishedAt == nil)
      try await database.end(id, 3)
      try await database.end(id, as: .expired)
      try await database.advance(id)
      rollout = try await database.rollout(id)
      #expect(rollout.state == .cancelled && rollout.counts.succeeded == 3 && rollout.counts.calledOff == 2497 && rollout.finishedAt != nil)
      #expect(try await database.rollouts.due().isEmpty)
      #expect(try await database.events(about: id) == ["rollout.started", "rollout.cancelled"])
      #expect(try await database.countsAreTrue(id))
      for order in [database.rollouts.resume, database.rollouts.retry] {
        await #expect(throws: RolloutOrderError.self) { _ = try await order(id) }
      }
    }
  }

  @Test func itBeginsWhenItsTimeHasComeAndNotBefore() async throws {
    try await FleetDatabase.with { database in
      try await database.addAgents(3)
      let id = try await database.start(concurrency: "3") { $0.start = .after(.seconds(600)) }
      #expect(try await database.rollout(id).state == .scheduled)
      #expect(try await database.rollouts.due().isEmpty)
      #expect(try await database.advance(id).didNothing)
      // Paused and resumed before its time it still waits for it.
      _ = try await database.rollouts.pause(id, reason: "")
      #expect(try #require(try await database.rollouts.resume(id)).state == .scheduled)
      try await database.sql("UPDATE rollouts SET start_at = NOW(3)")
      #expect(try await database.rollouts.due().map(\.id) == [id])
      #expect(try await database.advance(id).started == 3)
      let past = try await database.start(concurrency: "3") { $0.start = .at(.now().advanced(by: .seconds(-60))) }
      #expect(try await database.rollout(past).state == .running)
    }
  }

  @Test func whatMakesNoSenseIsRefusedWithARemedy() async throws {
    try await FleetDatabase.with { database in
      try await database.addAgents(1)
      let id = try await database.start(concurrency: "1")
      await #expect(throws: RolloutOrderError(description: "rollout \(id) is running and cannot be resumed: it runs; pause it first")) {
        _ = try await database.rollouts.resume(id)
      }
      #expect(try await database.rollouts.pause("nothing", reason: "") == nil)
      var draft = RolloutDraft(commandType: "ping", target: "all")
      draft.concurrency = .count(0)
      await #expect(throws: MessageError.self) { try await database.rollouts.create(draft) }
      draft = RolloutDraft(commandType: "", target: "all")
      await #expect(throws: MessageError.self) { try await database.rollouts.create(draft) }
    }
  }
}
