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
