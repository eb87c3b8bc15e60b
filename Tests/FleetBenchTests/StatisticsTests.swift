import Foundation
import ServiceRuntime
import Testing

@testable import FleetBench

/// What is made of measured values.
struct StatisticsTests {
  @Test func medianLiesBetweenTheTwoInTheMiddle() throws {
    #expect(Spread([3, 1, 2]) == Spread([1, 2, 3]))
    let odd = try #require(Spread([30, 10, 20]))
    #expect((odd.median, odd.least, odd.greatest) == (20, 10, 30))
    #expect(Spread([4, 1, 2, 3])?.median == 2.5)
    #expect(Spread([7])?.median == 7)
    #expect(Spread([]) == nil)
  }

  @Test func percentileIsTheNearestRank() {
    let durations = Durations((1...1000).reversed().map { .milliseconds($0) })
    #expect(durations.count == 1000)
    #expect(durations.milliseconds(50) == 500)
    #expect(durations.milliseconds(99.9) == 999)
    #expect(durations.milliseconds(100) == 1000)
    #expect(Durations([]).milliseconds(99) == 0)
  }

  @Test func figuresOfSeveralRunsHaveARangeAndMissingOnesAreLeftOut() throws {
    var measurements = Measurements()
    measurements.add("rate", "rate", unit: "/s", digits: 1, [3, 1, 2.04])
    measurements.add("agents", "agents", [4000])
    measurements.add("limit", "limit", [])
    #expect(measurements.json == #"{"rate": 2.0, "rate_range": [1.0, 3.0], "agents": 4000}"#)
    #expect(try JSONSerialization.jsonObject(with: Data(measurements.json.utf8)) is [String: Any])
    let lines = measurements.text.split(separator: "\n")
    #expect(lines.count == 2)
    #expect(lines.first?.hasPrefix("rate  ") == true && lines.first?.hasSuffix("2.0 /s              (1.0 to 3.0)") == true)
    #expect(lines.last?.hasSuffix("  4000") == true)
  }

  @Test func lagPairsCommitsWithPublishingsInTheirOrder() {
    let lag = HeartbeatLag()
    let start = ContinuousClock.now
    lag.published(2, at: start)
    lag.published(1, at: start + .seconds(1))
    lag.committed(1, at: start + .seconds(2))
    #expect(lag.open == 2)
    #expect(lag.take().percentile(100) == .seconds(2))
    lag.committed(5, at: start + .seconds(4))
    #expect(lag.open == 0)
    let rest = lag.take()
    #expect(rest.count == 2)
    #expect(rest.percentile(50) == .seconds(3) && rest.percentile(100) == .seconds(4))
  }

  @Test func lagIsRightBeyondTheNumberItForgetsAt() {
    let lag = HeartbeatLag()
    let start = ContinuousClock.now
    for second in 0..<30 {
      lag.published(1000, at: start + .seconds(second))
      lag.committed(1000, at: start + .seconds(second + 1))
    }
    #expect(lag.open == 0)
    let all = lag.take()
    #expect(all.count == 30_000)
    #expect(all.percentile(1) == .seconds(1) && all.percentile(100) == .seconds(1))
  }

  @Test func aCommandCountsOnceWhenItArrivesTwice() async throws {
    let log = CommandLog()
    log.wrote("a", at: .now)
    log.arrived("a")
    log.arrived("a")
    // Arrived, but not written by us.
    log.arrived("b")
    #expect(log.latencies.count == 1)
    _ = try await log.waitForArrivals(2, within: .seconds(60))
    await #expect(throws: BenchError.self) { _ = try await log.waitForArrivals(3, within: .zero) }
  }
}
