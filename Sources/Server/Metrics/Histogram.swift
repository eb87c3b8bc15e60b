import ServiceRuntime

/// Observations counted in buckets whose bounds are fixed. From any thread; an observation costs some ten nanoseconds.
final class Histogram: Metric {
  private struct State {
    var counts: [Int]
    var sum = 0.0
  }

  private let bounds: [Double]
  private let state: Lock<State>

  /// A histogram with these upper bounds, which rise; above the last one there is an endless bucket.
  init(_ buckets: HistogramBuckets) {
    bounds = buckets.bounds
    state = Lock(State(counts: Array(repeating: 0, count: buckets.bounds.count + 1)))
  }

  func observe(_ value: Double) { observe(all: CollectionOfOne(value)) }

  /// In seconds; what two clocks made negative counts as nought.
  func observe(_ duration: Duration) { observe(max(0, duration.inSeconds)) }

  /// Many at once, for the price of one lock.
  func observe(all values: some Collection<Double>) {
    guard !values.isEmpty else { return }
    state.withLock { state in
      for value in values {
        state.counts[bounds.firstIndex { value <= $0 } ?? bounds.count] += 1
        state.sum += value
      }
    }
  }

  /// Runs `body` and observes how long it took, unless it throws.
  func time<Result>(isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> Result) async rethrows -> Result {
    let started = ContinuousClock.now
    let result = try await body()
    observe(started.duration(to: .now))
    return result
  }

  var reading: MetricReading.Value {
    state.withLock { .histogram(HistogramReading(bounds: bounds, counts: $0.counts, sum: $0.sum)) }
  }
}
