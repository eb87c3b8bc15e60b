import Testing

@testable import Agent

@Suite struct RunPhasesTests {
  private let start = ContinuousClock.now
  private let timings = RunTimings()

  private func phases(_ timeLimit: Duration = .seconds(60)) -> RunPhases {
    RunPhases(started: start, timeLimit: timeLimit, timings: timings)
  }

  private func sight(
    _ seconds: Double, ended: Bool = false, group: Bool = false, pipes: Bool = true, cancelled: Bool = false
  ) -> RunPhases.Sight {
    RunPhases.Sight(
      now: start + .seconds(seconds), hasEnded: ended, groupIsAlive: group, pipesAreOpen: pipes, isCancelled: cancelled)
  }

  private func at(_ seconds: Double) -> RunPhases.Step { .wait(until: start + .seconds(seconds)) }

  @Test func aProgramThatEndsAndLeavesNothingIsFinishedAtOnce() {
    var phases = phases()
    #expect(phases.next(sight(0)) == at(60))
    #expect(phases.next(sight(1, ended: true)) == at(2))
    #expect(phases.next(sight(1, ended: true, pipes: false)) == .finish)
    #expect(phases.interruption == nil)
  }

  @Test func theGroupIsToldAtTheTimeLimitAndMadeToAfterTheGrace() {
    var phases = phases()
    #expect(phases.next(sight(60)) == .terminate)
    #expect(phases.interruption == .timedOut)
    #expect(phases.next(sight(60)) == at(65))
    #expect(phases.next(sight(65)) == .kill)
    #expect(phases.next(sight(65.1, ended: true, pipes: false)) == .finish)
  }

  @Test func aGroupThatOutlivesItsProgramAtTheTimeLimitIsMadeToEndToo() {
    var phases = phases()
    _ = phases.next(sight(60))
    // The program obeyed, something in its group did not.
    #expect(phases.next(sight(60.5, ended: true, group: true)) == .wait(until: start + .seconds(60.5) + timings.groupCheck))
    #expect(phases.next(sight(65, ended: true, group: true)) == .kill)
    #expect(phases.next(sight(65.1, ended: true)) == .wait(until: start + .seconds(65.1) + timings.drain))
    #expect(phases.next(sight(65.4, ended: true)) == .finish)
  }

  @Test func aCancelledProgramIsToldAtOnceAndOneThatHasEndedKeepsItsEnd() {
    var running = phases()
    #expect(running.next(sight(1, cancelled: true)) == .terminate)
    #expect(running.interruption == .cancelled)
    var ended = phases()
    #expect(ended.next(sight(1, ended: true, pipes: false, cancelled: true)) == .finish)
    #expect(ended.interruption == nil)
  }

  @Test func whatIsLeftInTheGroupHasAWhileThenIsToldThenMadeTo() {
    var phases = phases()
    #expect(phases.next(sight(1, ended: true, group: true)) == .wait(until: start + .seconds(1) + timings.groupCheck))
    #expect(phases.next(sight(2, ended: true, group: true)) == .terminate)
    #expect(phases.next(sight(7, ended: true, group: true)) == .kill)
    #expect(phases.next(sight(7.1, ended: true, pipes: false)) == .finish)
    #expect(phases.interruption == nil)
  }

  @Test func aPipeInAnotherSessionIsNotWaitedForLonger() {
    var phases = phases()
    #expect(phases.next(sight(1, ended: true)) == at(2))
    #expect(phases.next(sight(2, ended: true)) == .finish)
  }

  @Test func aCancellationShortensTheWaitForWhatIsLeft() {
    var phases = phases()
    _ = phases.next(sight(1, ended: true, group: true))
    #expect(phases.next(sight(1.1, ended: true, group: true, cancelled: true)) == .terminate)
    #expect(phases.interruption == nil)
  }

  @Test func whatTheKernelDoesNotLetGoIsWaitedForOnlyWhenItIsTheProgram() {
    var program = phases(.seconds(1))
    _ = program.next(sight(1))
    #expect(program.next(sight(6)) == .kill)
    #expect(program.next(sight(3600)) == .wait(until: nil))
    var other = phases(.seconds(1))
    _ = other.next(sight(1))
    #expect(other.next(sight(6, ended: true, group: true)) == .kill)
    #expect(other.next(sight(8, ended: true, group: true, pipes: false)) == .finish)
  }
}
