/// What several runs of one measurement gave: a figure is worth as much as it comes again.
struct Spread: Sendable, Equatable {
  let median: Double
  let least: Double
  let greatest: Double

  /// Of no value at all, nothing.
  init?(_ values: [Double]) {
    let sorted = values.sorted()
    guard let first = sorted.first, let last = sorted.last else { return nil }
    let middle = sorted.count / 2
    median = sorted.count.isMultiple(of: 2) ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
    (least, greatest) = (first, last)
  }
}
