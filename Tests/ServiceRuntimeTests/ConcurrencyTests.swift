import ServiceRuntime
import Testing

@Suite struct ConcurrencyTests {
  private actor Blocking {
    let executor = ThreadExecutor(name: "test-blocking")
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
    private var count = 0
    func increment() -> Int {
      executor.checkIsolated()
      count += 1
      return count
    }
    nonisolated func stop() { executor.stop() }
  }

  @Test func actorOnAThreadOfItsOwnRunsItsJobsOnThatThreadOneByOne() async {
    let blocking = Blocking()
    let sum = await withTaskGroup(of: Int.self) { group in
      for _ in 0..<1000 { group.addTask { await blocking.increment() } }
      return await group.reduce(0, +)
    }
    #expect(sum == 500_500)
    blocking.stop()
  }

  @Test func manyRaisesWakeOneWaitOnce() async throws {
    let signal = Signal()
    for _ in 0..<5 { signal.raise() }
    await signal.wait()
    let again: Void? = try? await withDeadline(.milliseconds(50)) { await signal.wait() }
    #expect(again == nil)
  }

  @Test func raiseIsNotLostBetweenTwoWaits() async throws {
    let signal = Signal()
    let rounds = 2000
    try await withDeadline(.seconds(30)) {
      await withTaskGroup(of: Void.self) { group in
        let answer = Signal()
        group.addTask {
          for _ in 0..<rounds {
            await signal.wait()
            answer.raise()
          }
        }
        group.addTask {
          for _ in 0..<rounds {
            signal.raise()
            await answer.wait()
          }
        }
      }
    }
  }

  @Test func waitWithALimitEndsAtTheLimitAndStaysUsable() async throws {
    let signal = Signal()
    try await signal.wait(upTo: .milliseconds(10))
    signal.raise()
    let start = ContinuousClock.now
    try await signal.wait(upTo: .seconds(30))
    #expect(start.duration(to: .now) < .seconds(20))
  }

  @Test func deadlineCancelsWhatIsLateAndKeepsWhatIsNot() async throws {
    await #expect(throws: DeadlineExceeded.self) { try await withDeadline(.milliseconds(20)) { try await Task.sleep(for: .seconds(60)) } }
    #expect(try await withDeadline(.seconds(60)) { 7 } == 7)
  }

  @Test func stopRequestWakesItsWaiterAndStaysRequested() async {
    let stop = StopRequest()
    let waiter = Task { await stop.wait() }
    stop.request()
    stop.request()
    await waiter.value
    await stop.wait()
    #expect(stop.isRequested)
  }
}
