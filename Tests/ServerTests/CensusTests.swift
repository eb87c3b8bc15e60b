import ServiceRuntime
import TestSupport
import Testing

@testable import Server

/// Who asks for figures that cost something.
@Suite struct CensusTests {
  private struct Broken: Error {}

  /// Runs `body` beside a census that looks.
  private func running(_ census: Census<Int>, _ look: @escaping @Sendable () async throws -> Int, _ body: () async throws -> Void)
    async throws
  {
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask {
        do {
          try await census.run(look)
        } catch {
          // Its end is the test's own doing.
          return
        }
      }
      try await body()
      group.cancelAll()
      try await group.waitForAll()
    }
  }

  @Test func manyWhoAskCauseOneLook() async throws {
    let census = Census<Int>(lifetime: .seconds(3600), patience: .seconds(60))
    let looks = Lock(0)
    try await running(
      census,
      {
        looks.withLock {
          $0 += 1
          return $0
        }
      }
    ) {
      try await eventually("somebody looks", timeout: .seconds(60)) { await census.current() != nil }
      await withTaskGroup(of: Int?.self) { group in
        for _ in 0..<50 { group.addTask { await census.current() } }
        for await found in group { #expect(found == 1) }
      }
    }
    #expect(looks.withLock { $0 } == 1)
  }

  @Test func whatIsTooOldIsLookedAtAgain() async throws {
    let census = Census<Int>(lifetime: .milliseconds(1), patience: .milliseconds(50))
    let looks = Lock(0)
    try await running(
      census,
      {
        looks.withLock {
          $0 += 1
          return $0
        }
      }
    ) {
      try await eventually("there is a third look", timeout: .seconds(60)) {
        _ = await census.current()
        return looks.withLock { $0 } >= 3
      }
    }
  }

  @Test func nobodyWaitsForOneWhoDoesNotLook() async throws {
    let census = Census<Int>(lifetime: .seconds(1), patience: .seconds(3600))
    let hasLooked = Lock(false)
    #expect(await census.current() == nil)
    try await running(
      census,
      {
        hasLooked.withLock { $0 = true }
        throw Broken()
      }
    ) {
      // Its look ends the run, and who waited for it is not kept waiting.
      try await eventually("somebody has looked", timeout: .seconds(60)) {
        await census.current() == nil && hasLooked.withLock { $0 }
      }
    }
    #expect(await census.current() == nil)
  }

  @Test func aLookThatHangsIsNotWaitedForLongerThanPatienceGoes() async throws {
    let census = Census<Int>(lifetime: .seconds(3600), patience: .milliseconds(50))
    try await running(
      census,
      {
        try await Task.sleep(for: .seconds(3600))
        return 1
      }
    ) {
      let started = ContinuousClock.now
      #expect(await census.current() == nil)
      #expect(started.duration(to: .now) < .seconds(60))
    }
  }
}
