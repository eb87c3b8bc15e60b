import Synchronization

/// A whole number that goes up and down. From any thread; costs a few nanoseconds.
final class Gauge: Metric {
  private let current = Atomic<Int>(0)

  func set(_ number: Int) { current.store(number, ordering: .relaxed) }

  /// 1 or 0.
  func set(_ isSo: Bool) { set(isSo ? 1 : 0) }

  var reading: MetricReading.Value { .number(Double(current.load(ordering: .relaxed))) }
}
