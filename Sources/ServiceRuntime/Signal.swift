/// Wakes one waiting task; any number of raises before it looks count as one. Safe to use from any thread.
public final class Signal: Sendable {
  private struct State {
    var raised = false
    var waiter: CheckedContinuation<Void, Never>?
  }

  private let state = Lock(State())

  /// A signal that is not raised.
  public init() {}

  /// Wakes the waiter, or lets the next wait return at once.
  public func raise() {
    let waiter = state.withLock { state in
      let waiter = state.waiter
      state.waiter = nil
      if waiter == nil { state.raised = true }
      return waiter
    }
    waiter?.resume()
  }

  /// Waits for a raise, or until `limit` is over. Throws only when the task is cancelled. For one waiter at a time.
  public func wait(upTo limit: Duration) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { await self.wait() }
      group.addTask { try await Task.sleep(for: limit) }
      defer { group.cancelAll() }
      try await group.next()
    }
    try Task.checkCancellation()
  }

  /// Waits for a raise, or for the task's cancellation.
  public func wait() async {
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let ready = state.withLock { state in
          if state.raised || Task.isCancelled {
            state.raised = false
            return true
          }
          state.waiter = continuation
          return false
        }
        if ready { continuation.resume() }
      }
    } onCancel: {
      let waiter = state.withLock { state in
        defer { state.waiter = nil }
        return state.waiter
      }
      waiter?.resume()
    }
  }
}
