import Synchronization

/// A number that only goes up. From any thread; costs a few nanoseconds.
final class Counter: Metric {
  private let count = Atomic<Int>(0)

  func add(_ number: Int = 1) {
    // An outcome that did not occur in a batch.
    guard number != 0 else { return }
    count.wrappingAdd(number, ordering: .relaxed)
  }

  var number: Int { count.load(ordering: .relaxed) }

  var reading: MetricReading.Value { .number(Double(number)) }
}
