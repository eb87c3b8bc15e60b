/// A metric at one moment.
struct MetricReading: Sendable {
  /// What a set of label values has come to.
  enum Value: Sendable, Equatable {
    case number(Double)
    case histogram(HistogramReading)
  }

  /// One set of label values, in the order of the description's labels.
  struct Sample: Sendable {
    let labels: [String]
    let value: Value

    init(_ labels: [String], _ value: Value) {
      self.labels = labels
      self.value = value
    }
  }

  let description: MetricDescription
  let samples: [Sample]

  init(_ description: MetricDescription, _ samples: [Sample]) {
    self.description = description
    self.samples = samples
  }

  /// One number without labels.
  init(_ description: MetricDescription, _ number: Double) {
    self.init(description, [Sample([], .number(number))])
  }

  /// One number for each value of a single label.
  init(_ description: MetricDescription, _ numbers: [(label: String, number: Int)]) {
    self.init(description, numbers.map { Sample([$0.label], .number(Double($0.number))) })
  }

  /// One number for each status.
  init(_ description: MetricDescription, _ counts: [FleetSnapshot.Count]) {
    self.init(description, counts.map { ($0.status, $0.number) })
  }
}
