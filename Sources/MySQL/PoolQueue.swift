import ServiceRuntime

/// The pool's state behind a lock, with the tasks that wait for it.
///
/// A turn is handed to a waiter and taken from the queue in one step under the lock, so that none is lost to a waiter that gives up at that moment:
/// whoever gave up too late gets its turn all the same and uses it.
final class PoolQueue: Sendable {
  typealias State = PoolState<Connection>

  private struct Shared {
    var state: State
    var nextWaiter: State.Waiter = 0
    var waiting: [State.Waiter: CheckedContinuation<Outcome, Never>] = [:]
    var closers: [CheckedContinuation<Void, Never>] = []
  }

  private enum Outcome: Sendable {
    case turn(State.Turn)
    case cancelled
  }

  private let shared: Lock<Shared>
  private let waitLimit: Duration?

  init(size: Int, pingAfter: Duration, waitLimit: Duration?) {
    self.waitLimit = waitLimit
    shared = Lock(Shared(state: PoolState(size: size, pingAfter: pingAfter)))
  }

  func read<Result>(_ body: (State) -> Result) -> Result { shared.withLock { body($0.state) } }

  /// The caller's turn, at once or after those who came before. Throws `CancellationError`, or kind `poolTimeout` after the limit.
  func nextTurn() async throws -> State.Turn {
    try Task.checkCancellation()
    let (first, waiter) = shared.withLock { shared in
      shared.nextWaiter += 1
      return (shared.state.take(now: .now), shared.nextWaiter)
    }
    if let first { return first }
    guard let waitLimit else { return try await wait(waiter) }
    return try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { [self] in
        do { try await Task.sleep(for: waitLimit) } catch {
          return  // The turn came first, or the caller was cancelled.
        }
        giveUp(waiter, .turn(.fail(Self.timeout(waitLimit))))
      }
      defer { group.cancelAll() }
      return try await wait(waiter)
    }
  }

  /// Applies a change that brings nobody's turn.
  func record(_ change: (inout State) -> Void) { shared.withLock { change(&$0.state) } }

  /// Applies a change, and wakes those whose turn it brings and, after `close`, those who wait for the end.
  func update(_ change: (inout State) -> [(State.Waiter, State.Turn)]) {
    settle { shared in change(&shared.state) }
  }

  /// Takes a connection back; `false` when the pool is closed and the connection still its user's to close and discard.
  func giveBack(_ connection: Connection) -> Bool {
    var isAccepted = false
    settle { shared in
      let served = shared.state.giveBack(connection, now: .now)
      isAccepted = served != nil
      return served ?? []
    }
    return isAccepted
  }

  /// Refuses everybody from now on, those who wait included; returns the idle connections for the caller to close.
  func close() -> [Connection] {
    var idle: [Connection] = []
    settle { shared in
      let closed = shared.state.close()
      idle = closed.idle
      return closed.waiters
    }
    return idle
  }

  /// Returns when, after `close`, nothing is lent any more.
  func waitUntilDrained() async {
    await withCheckedContinuation { continuation in
      let isDrained = shared.withLock { shared in
        guard !shared.state.isDrained else { return true }
        shared.closers.append(continuation)
        return false
      }
      if isDrained { continuation.resume() }
    }
  }

  private func wait(_ waiter: State.Waiter) async throws -> State.Turn {
    let outcome = await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let outcome: Outcome? = shared.withLock { shared in
          // Under the lock: a cancellation before this line is seen here, one after it finds the waiter in the queue.
          if Task.isCancelled { return .cancelled }
          if let turn = shared.state.take(now: .now) { return .turn(turn) }
          shared.state.enqueue(waiter)
          shared.waiting[waiter] = continuation
          return nil
        }
        if let outcome { continuation.resume(returning: outcome) }
      }
    } onCancel: {
      giveUp(waiter, .cancelled)
    }
    switch outcome {
    case .turn(let turn): return turn
    case .cancelled: throw CancellationError()
    }
  }

  private func giveUp(_ waiter: State.Waiter, _ outcome: Outcome) {
    let continuation = shared.withLock { shared in
      shared.state.withdraw(waiter) ? shared.waiting.removeValue(forKey: waiter) : nil
    }
    continuation?.resume(returning: outcome)
  }

  /// Continuations are resumed outside the lock.
  private func settle(_ change: (inout Shared) -> [(State.Waiter, State.Turn)]) {
    var closers: [CheckedContinuation<Void, Never>] = []
    let waiters = shared.withLock { shared in
      let served = change(&shared)
      if shared.state.isClosed, shared.state.isDrained { swap(&closers, &shared.closers) }
      return served.map { waiter, turn in (shared.waiting.removeValue(forKey: waiter), turn) }
    }
    for (continuation, turn) in waiters { continuation?.resume(returning: .turn(turn)) }
    for closer in closers { closer.resume() }
  }

  private static func timeout(_ limit: Duration) -> MySQLError {
    MySQLError(
      kind: .poolTimeout,
      message: "no connection of the pool became free within \(limit.inSeconds)s; enlarge the pool, or look for slow statements")
  }
}
