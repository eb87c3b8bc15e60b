import ServiceRuntime

/// When commands were committed, and when each first reached its agent's handler.
final class CommandLog: Sendable {
  private struct State {
    var written: [String: ContinuousClock.Instant] = [:]
    var arrived: [String: ContinuousClock.Instant] = [:]
    var last: ContinuousClock.Instant?
  }

  private let state = Lock(State())

  /// How long an arrival is looked for between two looks.
  private static let pollInterval = Duration.milliseconds(5)

  func reset() { state.withLock { $0 = State() } }

  func wrote(_ id: String, at moment: ContinuousClock.Instant) { state.withLock { $0.written[id] = moment } }

  func arrived(_ id: String) {
    let now = ContinuousClock.now
    state.withLock { state in
      guard state.arrived[id] == nil else { return }
      state.arrived[id] = now
      state.last = now
    }
  }

  /// Waits until so many different commands have arrived, and says when the last did.
  func waitForArrivals(_ count: Int, within limit: Duration) async throws -> ContinuousClock.Instant {
    let deadline = ContinuousClock.now + limit
    while true {
      let (found, last) = state.withLock { ($0.arrived.count, $0.last) }
      if found >= count { return last ?? .now }
      guard ContinuousClock.now < deadline else {
        throw BenchError("\(found) of \(count) commands reached their agents within \(limit.shortText)")
      }
      try await Task.sleep(for: Self.pollInterval)
    }
  }

  /// From commit to handler, of all that were written and have arrived.
  var latencies: Durations {
    state.withLock { state in
      // The handler may have it before the writer has read the clock.
      Durations(state.written.compactMap { id, at in state.arrived[id].map { max(.zero, at.duration(to: $0)) } })
    }
  }
}
