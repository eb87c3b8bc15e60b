import ServiceRuntime
import Testing

@testable import AMQP

@Suite struct TimerQueueTests {
  @Test func timersFireInTheOrderOfTheirTimesAndNotBefore() {
    var queue = TimerQueue()
    let start = ContinuousClock.now
    let fired = Lock<[Int]>([])
    for delay in [5, 1, 4, 2, 3] { _ = queue.add(at: start + .seconds(delay)) { fired.withLock { $0.append(delay) } } }
    #expect(queue.popDue(at: start).isEmpty)
    for handler in queue.popDue(at: start + .seconds(3)) { handler() }
    #expect(fired.withLock { $0 } == [1, 2, 3])
    #expect(queue.next == start + .seconds(4))
  }

  @Test func cancelledTimersNeitherFireNorPileUp() {
    var queue = TimerQueue()
    let start = ContinuousClock.now
    let keeper = queue.add(at: start + .seconds(1)) {}
    for _ in 0..<10_000 { queue.cancel(queue.add(at: start + .seconds(30)) {}) }
    #expect(queue.next == start + .seconds(1))
    queue.cancel(keeper)
    #expect(queue.next == nil)
    #expect(queue.popDue(at: start + .seconds(60)).isEmpty)
  }
}
