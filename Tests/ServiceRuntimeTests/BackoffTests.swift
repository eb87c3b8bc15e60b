import ServiceRuntime
import Testing

@Suite struct BackoffTests {
  @Test func firstTwoDelaysAreTheGuidesToTheSecond() {
    var backoff = Backoff()
    #expect(backoff.nextDelay() == .seconds(1))
    #expect(backoff.nextDelay() == .seconds(2))
    #expect(backoff.failureCount == 2)
  }

  @Test func laterDelaysAreSpreadEvenlyBelowADoublingBoundAndNeverAboveTheCeiling() {
    let bounds: [Int64] = [4, 8, 16, 32, 60, 60, 60].map { $0 * 1000 }
    var drawn = bounds.map { _ in [Int64]() }
    for _ in 0..<2000 {
      var backoff = Backoff()
      _ = backoff.nextDelay()
      _ = backoff.nextDelay()
      for index in bounds.indices { drawn[index].append(backoff.nextDelay().milliseconds) }
    }
    for (bound, delays) in zip(bounds, drawn) {
      #expect(delays.allSatisfy { (0...bound).contains($0) })
      // Full jitter: a fleet must not come back in step. With 2,000 draws, missing a tenth at either end has a chance of 10^-91.
      #expect(delays.contains { $0 < bound / 10 } && delays.contains { $0 > bound - bound / 10 })
    }
  }

  @Test func delayStaysFiniteAfterAnyNumberOfFailures() {
    var backoff = Backoff(ceiling: .seconds(10))
    for _ in 0..<1000 { #expect(backoff.nextDelay() <= .seconds(10)) }
  }

  @Test func successStartsTheScheduleAfresh() {
    var backoff = Backoff()
    for _ in 0..<5 { _ = backoff.nextDelay() }
    backoff.reset()
    #expect(backoff.nextDelay() == .seconds(1))
  }
}
