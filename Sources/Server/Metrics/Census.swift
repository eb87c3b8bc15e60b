import ServiceRuntime

/// Something in the database or at the broker that is looked at when somebody asks, and at most every few seconds however often somebody asks.
///
/// One task looks (`run`), any number ask (`current`). From any thread.
final class Census<Finding: Sendable>: Sendable {
  /// How long a finding is good.
  static var lifetime: Duration { .seconds(5) }
  /// How long whoever asks waits for a look.
  static var patience: Duration { .seconds(4) }

  private struct State {
    var isRunning = false
    var finding: Finding?
    var foundAt: ContinuousClock.Instant?
  }

  private let state = Lock(State())
  private let wanted = Signal()
  private let lifetime: Duration
  private let patience: Duration

  init(lifetime: Duration = Census.lifetime, patience: Duration = Census.patience) {
    self.lifetime = lifetime
    self.patience = patience
  }

  /// A finding that is not older than its lifetime; `nil` when there is none and nobody looks, or the look takes longer than patience goes.
  func current() async -> Finding? {
    let deadline = ContinuousClock.now + patience
    while true {
      let (finding, isRunning) = state.withLock { (Self.fresh($0, lifetime), $0.isRunning) }
      if let finding { return finding }
      guard isRunning, .now < deadline else { return nil }
      wanted.raise()
      // Who asks is cancelled when its request is.
      do { try await Task.sleep(for: .milliseconds(10)) } catch { return nil }
    }
  }

  /// Looks whenever it is asked to, until the task is cancelled or `look` throws. One run at a time.
  func run(_ look: () async throws -> Finding) async throws {
    state.withLock { $0.isRunning = true }
    defer { state.withLock { $0.isRunning = false } }
    while true {
      await wanted.wait()
      try Task.checkCancellation()
      // Asked for while the last look was under way.
      guard state.withLock({ Self.fresh($0, lifetime) }) == nil else { continue }
      let finding = try await look()
      state.withLock { state in
        state.finding = finding
        state.foundAt = .now
      }
    }
  }

  private static func fresh(_ state: State, _ lifetime: Duration) -> Finding? {
    guard let foundAt = state.foundAt, foundAt.duration(to: .now) < lifetime else { return nil }
    return state.finding
  }
}
