import ServiceRuntime

/// How long heartbeats take to be committed, from two counts: when each was published, and how many a worker had committed when. They are
/// committed in the order of publishing, within a batch.
final class HeartbeatLag: Sendable {
  private struct State {
    /// Moments of publishing of those not yet committed, from `first` on.
    var published: [ContinuousClock.Instant] = []
    var first = 0
    var lags: [Duration] = []
  }

  private let state = Lock(State())

  func published(_ count: Int, at moment: ContinuousClock.Instant) {
    state.withLock { $0.published.append(contentsOf: repeatElement(moment, count: count)) }
  }

  func committed(_ count: Int, at moment: ContinuousClock.Instant) {
    state.withLock { state in
      let end = min(state.first + count, state.published.count)
      for index in state.first..<end { state.lags.append(state.published[index].duration(to: moment)) }
      state.first = end
      // Now and then, so that neither the array nor the moving of it grows.
      if state.first > 10_000 {
        state.published.removeFirst(state.first)
        state.first = 0
      }
    }
  }

  /// Heartbeats that were published and not yet committed.
  var open: Int { state.withLock { $0.published.count - $0.first } }

  /// The lags since the last call.
  func take() -> Durations {
    state.withLock { state in
      defer { state.lags = [] }
      return Durations(state.lags)
    }
  }
}
