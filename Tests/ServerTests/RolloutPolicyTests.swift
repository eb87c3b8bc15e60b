import Testing

@testable import Server

/// What a rollout does next, without a database.
@Suite struct RolloutPolicyTests {
  private func counts(
    waiting: Int = 0, sent: Int = 0, succeeded: Int = 0, failed: Int = 0, timedOut: Int = 0, cancelled: Int = 0, gone: Int = 0
  ) -> RolloutCounts {
    var counts = RolloutCounts()
    counts.waiting = waiting
    counts.sent = sent
    counts.succeeded = succeeded
    counts.failed = failed
    counts.timedOut = timedOut
    counts.cancelled = cancelled
    counts.gone = gone
    return counts
  }

  private let waves = RolloutPolicy(concurrency: 10, tolerated: 2, canary: 0, toleratedInCanary: 0)
  private let canary = RolloutPolicy(concurrency: 10, tolerated: 20, canary: 4, toleratedInCanary: 1)

  @Test func theWindowIsKeptFullAndNeverOverfilled() {
    #expect(waves.decision(counts(waiting: 100), inFlight: 0) == .start(10))
    #expect(waves.decision(counts(waiting: 93, sent: 7), inFlight: 7) == .start(3))
    #expect(waves.decision(counts(waiting: 90, sent: 10), inFlight: 10) == .wait)
    #expect(waves.decision(counts(waiting: 2, sent: 1, succeeded: 97), inFlight: 1) == .start(2))
    // More than the targets know of: a command that was given up for undelivered runs after all.
    #expect(waves.decision(counts(waiting: 93, sent: 7), inFlight: 9) == .start(1))
    #expect(waves.decision(counts(waiting: 93, sent: 7), inFlight: 12) == .wait)
  }

  @Test func errorsAreToleratedUpToTheBudgetAndOneMorePauses() {
    #expect(waves.decision(counts(waiting: 50, sent: 8, failed: 1, timedOut: 1), inFlight: 8) == .start(2))
    #expect(
      waves.decision(counts(waiting: 50, failed: 1, timedOut: 1, cancelled: 1), inFlight: 0)
        == .pause(errors: 3, tolerated: 2, inCanary: false))
    let none = RolloutPolicy(concurrency: 10, tolerated: 0, canary: 0, toleratedInCanary: 0)
    #expect(none.decision(counts(waiting: 1, sent: 3, failed: 1), inFlight: 3) == .pause(errors: 1, tolerated: 0, inCanary: false))
  }

  @Test func whoIsGoneIsNoError() {
    #expect(waves.decision(counts(waiting: 50, gone: 30), inFlight: 0) == .start(10))
  }

  @Test func resumedAfterErrorsItBearsAsManyAgain() {
    var resumed = waves
    resumed.forgiven = 3
    #expect(resumed.decision(counts(waiting: 50, failed: 5), inFlight: 0) == .start(10))
    #expect(resumed.decision(counts(waiting: 50, failed: 6), inFlight: 0) == .pause(errors: 3, tolerated: 2, inCanary: false))
    // An error that turned out to be none after it had been forgiven.
    #expect(resumed.decision(counts(waiting: 50, succeeded: 1, failed: 2), inFlight: 0) == .start(10))
  }

  @Test func nothingIsLeftToPauseForWhenNobodyWaits() {
    #expect(waves.decision(counts(sent: 3, succeeded: 1, failed: 9), inFlight: 3) == .wait)
    #expect(waves.decision(counts(succeeded: 1, failed: 9), inFlight: 0) == .complete)
    #expect(waves.decision(counts(), inFlight: 0) == .complete)
  }

  @Test func theCanaryGoesFirstAndAloneUntilAllOfItHasRun() {
    #expect(canary.decision(counts(waiting: 100), inFlight: 0) == .start(4))
    #expect(canary.decision(counts(waiting: 96, sent: 4), inFlight: 4) == .wait)
    #expect(canary.decision(counts(waiting: 96, sent: 1, succeeded: 3), inFlight: 1) == .wait)
    #expect(canary.decision(counts(waiting: 96, succeeded: 4), inFlight: 0) == .start(10))
    // One of the canary went away before it had its command: another takes its place.
    #expect(canary.decision(counts(waiting: 97, succeeded: 3), inFlight: 0) == .start(1))
    // The window holds for the canary too.
    let large = RolloutPolicy(concurrency: 3, tolerated: 0, canary: 50, toleratedInCanary: 0)
    #expect(large.decision(counts(waiting: 98, sent: 2), inFlight: 2) == .start(1))
    #expect(large.decision(counts(waiting: 50, sent: 1, succeeded: 49), inFlight: 1) == .wait)
  }

  @Test func theCanaryHasItsOwnBudget() {
    #expect(canary.decision(counts(waiting: 96, succeeded: 3, failed: 1), inFlight: 0) == .start(10))
    #expect(canary.decision(counts(waiting: 96, sent: 2, failed: 2), inFlight: 2) == .pause(errors: 2, tolerated: 1, inCanary: true))
    #expect(canary.decision(counts(waiting: 96, failed: 4), inFlight: 0) == .pause(errors: 4, tolerated: 1, inCanary: true))
    // Once more than the canary were started, the whole budget counts.
    #expect(canary.decision(counts(waiting: 86, sent: 9, succeeded: 3, failed: 2), inFlight: 9) == .start(1))
    // Resumed by somebody who has seen the canary's errors.
    var resumed = canary
    resumed.forgiven = 4
    #expect(resumed.decision(counts(waiting: 96, failed: 4), inFlight: 0) == .start(10))
  }

  @Test func sharesBecomeNumbersThatNeverExceedWhatWasSaid() throws {
    func policy(_ concurrency: String, _ maxErrors: String, _ canary: String?, _ total: Int) throws -> RolloutPolicy {
      RolloutPolicy(
        concurrency: try #require(RolloutShare(concurrency)), maxErrors: try #require(RolloutShare(maxErrors)),
        canary: try canary.map { try #require(RolloutShare($0)) }, total: total)
    }
    #expect(
      try policy("5%", "5%", "1%", 2000) == RolloutPolicy(concurrency: 100, tolerated: 100, canary: 20, toleratedInCanary: 1))
    #expect(try policy("10%", "5%", "1%", 7) == RolloutPolicy(concurrency: 1, tolerated: 0, canary: 1, toleratedInCanary: 0))
    #expect(try policy("50", "3", "5", 2) == RolloutPolicy(concurrency: 50, tolerated: 3, canary: 2, toleratedInCanary: 3))
    #expect(try policy("19.9%", "0", nil, 10) == RolloutPolicy(concurrency: 1, tolerated: 0, canary: 0, toleratedInCanary: 0))
    #expect(try policy("100%", "100%", "100%", 3) == RolloutPolicy(concurrency: 3, tolerated: 3, canary: 3, toleratedInCanary: 3))
    #expect(try policy("10%", "5%", "1%", 0) == RolloutPolicy(concurrency: 1, tolerated: 0, canary: 0, toleratedInCanary: 0))
  }

  @Test(arguments: ["50", "0", "10%", "2.5%", "0.05%", "12.25%", "100%"]) func aShareIsPrintedAsItWasWritten(_ text: String) throws {
    #expect(try #require(RolloutShare(text)).description == text)
  }

  @Test(arguments: [
    "", "%", "-1", "+5", "1.5", "101%", "100.01%", "5.125%", "5 %", "٣", "1e3", "99999999999999999999", "1000001", ".5%", "5.%",
  ])
  func whatIsNoShareIsRefused(_ text: String) { #expect(RolloutShare(text) == nil) }

  @Test func aPauseSaysOnWhom() throws {
    let culprits = (1...5).map { RolloutPauseReason.Culprit(name: "web-\($0)", state: "failed", error: $0 == 1 ? "exit\nstatus 3" : nil) }
    let reason = RolloutPauseReason(
      errors: 7, tolerated: 6, maxErrors: try #require(RolloutShare("5%")), inCanary: false, first: culprits)
    #expect(
      "\(reason)"
        == "7 errors, where max-errors 5% tolerates 6: web-1 (failed: exit\\nstatus 3), web-2 (failed), web-3 (failed), web-4 (failed), web-5 (failed) and 2 more"
    )
    let one = RolloutPauseReason(
      errors: 1, tolerated: 0, maxErrors: .count(0), inCanary: true, first: [.init(name: "a", state: "timed_out", error: nil)])
    #expect("\(one)" == "1 error in the canary, where max-errors 0 tolerates 0: a (timed_out)")
  }

  @Test func theRestTakesAsLongAsTheLastMinuteSays() throws {
    let moving = RolloutCounts.estimate(waiting: 40, sent: 10, recentlyEnded: 20, over: .seconds(60), away: 30)
    #expect(moving == .seconds(60))
    #expect(RolloutCounts.estimate(waiting: 40, sent: 10, recentlyEnded: 0, over: .seconds(60), away: 30) == nil)
    #expect(RolloutCounts.estimate(waiting: 30, sent: 0, recentlyEnded: 5, over: .seconds(60), away: 30) == nil)
    #expect(RolloutCounts.estimate(waiting: 1, sent: 0, recentlyEnded: 5, over: .zero, away: 0) == nil)
  }
}

extension RolloutCounts {
  /// The estimate of a rollout with so many targets, without a row.
  fileprivate static func estimate(waiting: Int, sent: Int, recentlyEnded: Int, over measured: Duration, away: Int) -> Duration? {
    var counts = RolloutCounts()
    counts.waiting = waiting
    counts.sent = sent
    return counts.estimate(recentlyEnded: recentlyEnded, over: measured, away: away)
  }
}
