import ServiceRuntime

/// Something that is counted or measured, and read now and then.
protocol Metric: AnyObject, Sendable {
  var reading: MetricReading.Value { get }
}

/// All metrics of one name: one for each set of label values that was ever asked for. From any thread.
///
/// Whoever counts often keeps the metric; asking for it costs a lock and a look-up.
final class MetricFamily<Member: Metric>: Sendable {
  let description: MetricDescription
  private let make: @Sendable () -> Member
  private let members = Lock<[[String]: Member]>([:])

  init(_ description: MetricDescription, _ make: @escaping @Sendable () -> Member) {
    self.description = description
    self.make = make
  }

  /// The metric with these label values, in the order of the description; it is on the page from now on.
  func member(_ labels: String...) -> Member {
    precondition(labels.count == description.labels.count, "\(description.name) has the labels \(description.labels)")
    return members.withLock { members in
      if let known = members[labels] { return known }
      let new = make()
      members[labels] = new
      return new
    }
  }

  /// All of them, ordered by their label values.
  var reading: MetricReading {
    let all = members.withLock { $0 }
    return MetricReading(
      description,
      all.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map { MetricReading.Sample($0.key, $0.value.reading) })
  }
}
