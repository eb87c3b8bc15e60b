/// A histogram at one moment.
struct HistogramReading: Sendable, Equatable {
  /// Upper bounds of the buckets, the endless one left out.
  let bounds: [Double]
  /// Observations of each bucket by itself; the last is the endless one.
  let counts: [Int]
  let sum: Double
}
