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

/// Upper bounds of a histogram's buckets.
struct HistogramBuckets: Sendable {
  let bounds: [Double]

  /// Work in this process, in seconds: from 50 µs to a second.
  static let work = HistogramBuckets(
    bounds: [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1])
  /// What waits for a database, a broker or a network, in seconds: from a millisecond to a minute.
  static let waiting = HistogramBuckets(bounds: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60])
  /// What may have lain in a queue, in seconds: from 10 ms to an hour.
  static let lag = HistogramBuckets(bounds: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600])
  /// Messages of a batch.
  static let messages = HistogramBuckets(bounds: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000])
}
