import FleetProtocol
import MySQL
import ServiceRuntime
import Testing

@testable import Server

/// What a batch of reports makes of one row: times, texts, events, without a database.
@Suite struct CommandRecordTests {
  private let now = Timestamp(milliseconds: 1_800_000_000_000)

  private func record(_ status: CommandStatus = .queued, startedAt: Timestamp? = nil, timeout: Int? = nil) -> CommandRecord {
    CommandRecord(
      LockedCommand(
        seq: 1, id: "c", agentID: "a", commandType: "ping", priority: 25, lifecycle: CommandLifecycle(status), isCancelRequested: false,
        queuedAt: now.advanced(by: .seconds(-100)), deliveredAt: nil, startedAt: startedAt, runUntil: nil, timeoutSeconds: timeout,
        source: nil,
        rolloutID: nil), now: now)
  }

  private func progress(_ stage: CommandProgress.Stage, at: Timestamp, sentAt: Timestamp? = nil, reason: String? = nil) -> CommandReport {
    .progress(CommandProgress(commandID: "c", agentID: "a", stage: stage, reason: reason, at: at, sentAt: sentAt ?? at))
  }

  private func result(_ status: CommandResult.Outcome, from: Timestamp, to: Timestamp, error: String? = nil, exitCode: Int? = nil)
    -> CommandReport
  {
    .result(
      CommandResult(
        commandID: "c", agentID: "a", status: status, exitCode: exitCode, error: error, startedAt: from, finishedAt: to, sentAt: to))
  }

  @Test func aWholeLifeInOneBatchIsOneRowAndAnEventForEachStep() {
    var record = record()
    let at = now.advanced(by: .seconds(-5))
    #expect(record.take(progress(.delivered, at: at)) == .accepted)
    #expect(record.take(progress(.running, at: at.advanced(by: .seconds(1)))) == .accepted)
    #expect(record.take(result(.failed, from: at.advanced(by: .seconds(1)), to: now, error: "broken", exitCode: 3)) == .accepted)
    #expect(record.take(result(.succeeded, from: at, to: now)) == .duplicate)
    #expect(record.events.map(\.word) == ["delivered", "running", "failed"])
    #expect(record.events.last == CommandRecord.Event(word: "failed", error: "broken", exitCode: 3))
    #expect(record.deliveredAt == at && record.startedAt == at.advanced(by: .seconds(1)) && record.finishedAt == now)
    #expect(record.runUntil == nil && record.error == "broken" && record.lifecycle == CommandLifecycle(.failed, isAgentsWord: true))
  }

  @Test func reportsThatComeLateOrTwiceChangeNothing() {
    var running = record(.running, startedAt: now.advanced(by: .seconds(-3)))
    #expect(running.take(progress(.delivered, at: now)) == .duplicate)
    #expect(running.take(progress(.running, at: now.advanced(by: .seconds(-3)))) == .duplicate)
    #expect(!running.isChanged && running.events.isEmpty)
    // The agent died and repeats it: a later start, for which it has its whole time again.
    #expect(running.take(progress(.running, at: now.advanced(by: .seconds(-1)))) == .accepted)
    #expect(running.startedAt == now.advanced(by: .seconds(-1)) && running.events.isEmpty)
    var ended = record(.expired)
    #expect(ended.take(progress(.running, at: now)) == .duplicate && !ended.isChanged)
  }

  @Test func noTimeLiesInTheFutureAndAQuickAgentsCommandWasQueuedByThen() {
    var pending = CommandRecord(
      LockedCommand(
        seq: 1, id: "c", agentID: "a", commandType: "ping", priority: 25, lifecycle: CommandLifecycle(.pending), isCancelRequested: false,
        queuedAt: nil, deliveredAt: nil, startedAt: nil, runUntil: nil, timeoutSeconds: nil, source: nil, rolloutID: nil), now: now)
    let later = now.advanced(by: .seconds(600))
    #expect(pending.take(result(.succeeded, from: later, to: later.advanced(by: .seconds(1)))) == .accepted)
    #expect(pending.startedAt == now && pending.finishedAt == now && pending.queuedAt == now)
  }

  @Test func whatWasNeverStartedHasNoStart() {
    let at = now.advanced(by: .seconds(-1))
    for (status, to, start) in [
      (CommandResult.Outcome.expired, now, Timestamp?.none), (.cancelled, at, nil), (.cancelled, now, at), (.failed, at, at),
    ] {
      var record = record(.delivered)
      _ = record.take(result(status, from: at, to: to))
      #expect(record.startedAt == start, "\(status)")
    }
  }

  @Test func silenceIsReckonedByTheServersClockHoweverWrongTheAgentsIs() {
    // Started 20 s before it said so, by a clock that is a day behind: 60 - 20 + 30 s from now.
    let wrong = now.advanced(by: .seconds(-86_400))
    var record = record()
    _ = record.take(progress(.running, at: wrong, sentAt: wrong.advanced(by: .seconds(20))))
    #expect(record.runUntil == now.advanced(by: .seconds(70)))
    for (timeout, late, wait) in [(Int?(600), 0, 630), (10, 3600, 30), (nil, -5, 90)] {
      var record = self.record(timeout: timeout)
      _ = record.take(progress(.running, at: now, sentAt: now.advanced(by: .seconds(late))))
      #expect(record.runUntil == now.advanced(by: .seconds(wait)))
    }
  }

  @Test func aRefusalIsNotedAndLeavesTheCommandWhereItIs() {
    var queued = record()
    guard case .refused(let reason) = queued.take(progress(.refused, at: now, reason: "bad signature")) else {
      Issue.record("not refused")
      return
    }
    #expect(reason.contains("bad signature") && queued.error == reason && queued.isChanged && queued.lifecycle.status == .queued)
    #expect(queued.events == [CommandRecord.Event(word: "refused", error: reason)])
    var done = CommandRecord(record(.succeeded).row, now: now)
    _ = done.take(progress(.refused, at: now, reason: "again"))
    #expect(!done.isChanged && done.events.count == 1, "an end keeps its texts")
  }

  @Test func theAgentsWordCorrectsTheServersAndSaysWhatItCorrects() {
    var record = record(.timedOut)
    #expect(record.row.lifecycle.isAgentsWord == false)
    #expect(record.take(result(.succeeded, from: now.advanced(by: .seconds(-9)), to: now, exitCode: 0)) == .accepted)
    #expect(record.events == [CommandRecord.Event(word: "succeeded", corrects: .timedOut, exitCode: 0)])
  }
}
