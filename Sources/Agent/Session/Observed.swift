import ServiceRuntime

/// A value that tasks change and other tasks wait for.
///
/// Safe from any thread. Waiting ends with the task's cancellation.
final class Observed<Value: Sendable>: Sendable {
  private struct State {
    var value: Value
    var waiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
    var lastWaiter: UInt64 = 0
  }

  private let state: Lock<State>

  init(_ value: Value) { state = Lock(State(value: value)) }

  /// The value as it is now.
  var value: Value { state.withLock { $0.value } }

  /// Changes the value and wakes everybody who waits, to look again.
  @discardableResult
  func update<Result>(_ change: (inout Value) -> Result) -> Result {
    let (result, waiters) = state.withLock { state in
      let result = change(&state.value)
      defer { state.waiters = [:] }
      return (result, state.waiters)
    }
    for waiter in waiters.values { waiter.resume() }
    return result
  }

  /// Waits until `condition` holds.
  func wait(_ condition: @Sendable (Value) -> Bool) async throws(CancellationError) { _ = try await first { condition($0) ? true : nil } }

  /// Waits until `select` finds something in the value, and returns that. `select` must be quick: it runs under the lock.
  func first<Selected: Sendable>(_ select: @Sendable (Value) -> Selected?) async throws(CancellationError) -> Selected {
    while true {
      if let selected = state.withLock({ select($0.value) }) { return selected }
      if Task.isCancelled { throw CancellationError() }
      let id = state.withLock { state in
        state.lastWaiter += 1
        return state.lastWaiter
      }
      await withTaskCancellationHandler {
        await withCheckedContinuation { continuation in
          let isWaiting = state.withLock { state in
            // Looked at again under the lock that changes are made under, so that none slips through in between.
            if Task.isCancelled || select(state.value) != nil { return false }
            state.waiters[id] = continuation
            return true
          }
          if !isWaiting { continuation.resume() }
        }
      } onCancel: {
        state.withLock { $0.waiters.removeValue(forKey: id) }?.resume()
      }
    }
  }
}
