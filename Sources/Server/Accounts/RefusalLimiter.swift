/// How often something that anybody can cause is written down: so many a source and so many altogether in a window of time; what is left out is
/// counted and told with the next that is written. A pure decision.
///
/// Memory is bounded: beyond `mostSources` within one window, further sources share one place.
struct RefusalLimiter: Sendable {
  enum Decision: Sendable, Equatable {
    /// Write it, and that `suppressed` of this source were left out since the last one that was written.
    case write(suppressed: Int)
    case suppress
  }

  private struct Source {
    var written = 0
    var suppressed = 0
  }

  let perSource: Int
  let altogether: Int
  let window: Duration
  let mostSources: Int
  private var windowStart: ContinuousClock.Instant?
  private var written = 0
  private var sources: [String: Source] = [:]

  init(perSource: Int, altogether: Int, window: Duration = .seconds(60), mostSources: Int = 10_000) {
    self.perSource = perSource
    self.altogether = altogether
    self.window = window
    self.mostSources = mostSources
  }

  /// Sources that are remembered: for tests of the bound.
  var sourceCount: Int { sources.count }

  mutating func decide(_ source: String, at now: ContinuousClock.Instant) -> Decision {
    startWindowIfDue(now)
    let name = sources[source] == nil && sources.count >= mostSources ? "" : source
    var state = sources[name] ?? Source()
    defer { sources[name] = state }
    guard state.written < perSource, written < altogether else {
      state.suppressed += 1
      return .suppress
    }
    let suppressed = state.suppressed
    state.suppressed = 0
    state.written += 1
    written += 1
    return .write(suppressed: suppressed)
  }

  private mutating func startWindowIfDue(_ now: ContinuousClock.Instant) {
    if let windowStart, windowStart.duration(to: now) < window { return }
    windowStart = now
    written = 0
    // Who was suppressed is remembered for one more window, so that its count is told if it goes on.
    sources = sources.filter { $0.value.suppressed > 0 && $0.value.written > 0 }.mapValues { Source(suppressed: $0.suppressed) }
  }
}
