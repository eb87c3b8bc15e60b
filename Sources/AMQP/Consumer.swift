import ServiceRuntime

/// The deliveries of one consumer, in order, for one reader.
///
/// What waits here is bounded by the channel's prefetch. Safe to use from any thread.
public final class Consumer: Sendable {
  private struct State {
    var buffer: [Delivery] = []
    var end: AMQPError?
    var reader: CheckedContinuation<Void, Never>?
  }

  /// The broker's name for it.
  public let tag: String
  private let state = Lock(State())

  init(tag: String) { self.tag = tag }

  /// Waits for deliveries and returns those that are there, at least one and at most `limit`.
  ///
  /// Throws the reason when the consumer has ended and everything was read: `.consumerCancelled` by the broker, or why channel or connection
  /// closed. When the task is cancelled it throws `.closed`; what was not taken is still unacknowledged.
  public func nextBatch(upTo limit: Int = .max) async throws(AMQPError) -> [Delivery] {
    while true {
      if let batch = try take(limit) { return batch }
      await withTaskCancellationHandler {
        await withCheckedContinuation { continuation in
          let ready = state.withLock { state in
            if !state.buffer.isEmpty || state.end != nil || Task.isCancelled { return true }
            state.reader = continuation
            return false
          }
          if ready { continuation.resume() }
        }
      } onCancel: {
        wakeReader()
      }
      if Task.isCancelled { throw AMQPError(.closed, "the reader was cancelled") }
    }
  }

  private func take(_ limit: Int) throws(AMQPError) -> [Delivery]? {
    let (batch, end): ([Delivery]?, AMQPError?) = state.withLock { state in
      if state.buffer.isEmpty { return (nil, state.end) }
      if state.buffer.count <= limit {
        defer { state.buffer = [] }
        return (state.buffer, nil)
      }
      defer { state.buffer.removeFirst(limit) }
      return (Array(state.buffer.prefix(limit)), nil)
    }
    if let end { throw end }
    return batch
  }

  func push(_ deliveries: [Delivery]) {
    state.withLock { state in
      if state.buffer.isEmpty { state.buffer = deliveries } else { state.buffer += deliveries }
    }
    wakeReader()
  }

  func finish(_ reason: AMQPError) {
    state.withLock { state in state.end = state.end ?? reason }
    wakeReader()
  }

  private func wakeReader() {
    let reader = state.withLock { state in
      defer { state.reader = nil }
      return state.reader
    }
    reader?.resume()
  }
}
