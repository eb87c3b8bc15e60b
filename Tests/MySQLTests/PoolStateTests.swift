import Testing

@testable import MySQL

@Suite struct PoolStateTests {
  /// The state with its answers in words; a class, because `#expect` calls no mutating method of a value.
  private final class Subject {
    private typealias State = PoolState<String>
    private var state: State
    private let now = ContinuousClock.now

    init(size: Int) { state = State(size: size, pingAfter: .seconds(30)) }

    /// A pool of one whose connection is out.
    static func exhausted() -> Subject {
      let pool = Subject(size: 1)
      #expect(pool.take() == "connect")
      pool.connected()
      return pool
    }

    var slotsTaken: Int { state.slotsTaken }
    var waiterCount: Int { state.waiterCount }
    var isDrained: Bool { state.isDrained }

    @discardableResult func take(after time: Duration = .zero) -> String { state.take(now: now + time).map(word) ?? "wait" }
    func connected() { state.connected() }
    func enqueue(_ waiters: PoolState<String>.Waiter...) { for waiter in waiters { state.enqueue(waiter) } }
    func withdraw(_ waiter: PoolState<String>.Waiter) -> Bool { state.withdraw(waiter) }
    @discardableResult func giveBack(_ name: String) -> [String]? { state.giveBack(name, now: now).map(words) }
    @discardableResult func discard() -> [String] { words(state.discard(now: now)) }
    func replace() { state.replace() }
    func connectFailed() -> [String] { words(state.connectFailed(MySQLError(kind: .connect, message: "refused"), now: now)) }
    func close() -> [String] { words(state.close().waiters) }

    private func words(_ served: [(State.Waiter, State.Turn)]) -> [String] { served.map { "\($0): \(word($1))" } }

    private func word(_ turn: State.Turn) -> String {
      switch turn {
      case .use(let name, let needsPing): needsPing ? "ping \(name)" : "use \(name)"
      case .connect: "connect"
      case .fail(let error): "fail \(error.kind)"
      }
    }
  }

  @Test func connectionsAreOpenedOnlyAsManyAsAreNeededAtOnce() {
    let pool = Subject(size: 2)
    #expect(pool.take() == "connect")
    pool.connected()
    #expect(pool.giveBack("a") == [])
    #expect(pool.take() == "use a")
    #expect(pool.take() == "connect")
    #expect(pool.take() == "wait")
    #expect(pool.slotsTaken == 2)
  }

  @Test func whoCameFirstIsServedFirstAndNobodyPasses() {
    let pool = Subject.exhausted()
    pool.enqueue(1, 2)
    #expect(pool.giveBack("a") == ["1: use a"])
    #expect(pool.take() == "wait")
    #expect(pool.giveBack("a") == ["2: use a"])
  }

  @Test func aWaiterThatGaveUpIsPassedOver() {
    let pool = Subject.exhausted()
    pool.enqueue(1, 2)
    #expect(pool.withdraw(1) == true)
    #expect(pool.withdraw(1) == false)
    #expect(pool.giveBack("a") == ["2: use a"])
    #expect(pool.withdraw(2) == false)
  }

  @Test func theSlotOfABrokenConnectionGoesToTheNextWaiter() {
    let pool = Subject.exhausted()
    pool.enqueue(1)
    #expect(pool.discard() == ["1: connect"])
    #expect(pool.slotsTaken == 1)
  }

  @Test func connectionsBesideALostOneAndLongIdleOnesArePingedBeforeUse() {
    let pool = Subject(size: 2)
    for _ in 0..<2 {
      pool.take()
      pool.connected()
    }
    pool.giveBack("a")
    pool.discard()
    #expect(pool.take() == "ping a")
    pool.giveBack("a")
    #expect(pool.take(after: .seconds(29)) == "use a")
    pool.giveBack("a")
    #expect(pool.take(after: .seconds(30)) == "ping a")
    pool.replace()
    #expect(pool.slotsTaken == 1)
  }

  @Test func whenNothingWorksAllWhoWaitFailAtOnce() {
    let pool = Subject(size: 1)
    pool.take()
    pool.enqueue(1, 2)
    #expect(pool.connectFailed() == ["1: fail connect", "2: fail connect"])
    #expect(pool.waiterCount == 0)
    #expect(pool.slotsTaken == 0)
  }

  @Test func whenOtherConnectionsWorkAFailedAttemptIsTheNextWaitersToRepeat() {
    let pool = Subject(size: 2)
    pool.take()
    pool.connected()
    pool.take()
    pool.enqueue(1)
    #expect(pool.connectFailed() == ["1: connect"])
  }

  @Test func aClosedPoolTakesNothingBackAndIsDrainedWhenAllAreGone() {
    let pool = Subject.exhausted()
    pool.enqueue(1)
    #expect(pool.close() == ["1: fail closed"])
    #expect(!pool.isDrained)
    #expect(pool.take() == "fail closed")
    #expect(pool.giveBack("a") == nil)
    #expect(!pool.isDrained)
    #expect(pool.discard() == [])
    #expect(pool.isDrained)
  }
}
