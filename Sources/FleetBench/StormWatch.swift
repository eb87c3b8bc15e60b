import ServiceRuntime

/// What the logs of many agents in this process tell: who lost the connection, and who consumes again.
final class StormWatch: Sendable {
  private struct State {
    var consuming: [Int: ContinuousClock.Instant] = [:]
    var firstLoss: ContinuousClock.Instant?
    var lastTrouble = "nothing went wrong"
  }

  private let state = Lock(State())

  /// Forgets everybody: what comes after belongs to the next storm.
  func reset() {
    state.withLock {
      $0.consuming = [:]
      $0.firstLoss = nil
    }
  }

  /// Takes a line of an agent's log.
  func read(_ line: String, of agent: Int) {
    let now = ContinuousClock.now
    if line.contains(" takes its commands from the queue ") {
      state.withLock { $0.consuming[agent] = now }
    } else if line.contains(" lost its connection to the broker") {
      state.withLock { $0.firstLoss = $0.firstLoss ?? now }
    } else if line.contains(" ERROR - ") {
      state.withLock { $0.lastTrouble = line }
    }
  }

  var count: Int { state.withLock { $0.consuming.count } }

  /// Waits until so many consume; throws when none more has come for a long time.
  func wait(for count: Int) async throws {
    var (seen, since) = (-1, ContinuousClock.now)
    while seen < count {
      let now = self.count
      if now > seen { (seen, since) = (now, .now) }
      guard since.duration(to: .now) < .seconds(150) else {
        throw BenchError("only \(seen) of \(count) agents consume; the last trouble of one: \(state.withLock { $0.lastTrouble })")
      }
      try await Task.sleep(for: .milliseconds(10))
    }
  }

  /// From the first loss to each agent's consuming.
  var returns: Durations {
    state.withLock { state in
      guard let loss = state.firstLoss else { return Durations([]) }
      return Durations(state.consuming.values.map { loss.duration(to: $0) })
    }
  }
}
