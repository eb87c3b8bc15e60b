/// What `grow` has measured, and what it says.
struct GrowthFigures: Sendable {
  /// With tables of one size, a value a run.
  struct Sized: Sendable {
    var rate: [Double] = []
    var processor: [Double] = []
    var dispatch: [Durations] = []
  }

  /// While old commands are removed, a value a run.
  struct Retention: Sendable {
    /// Heartbeats a second, and through that of the same tables while nothing is removed.
    var rate: [Double] = []
    var ratio: [Double] = []
    /// Commands that were removed meanwhile.
    var removed: [Double] = []
  }

  let plan: GrowthPlan
  /// Of a run at each size.
  let heartbeats: Int
  let commands: Int
  var sized: [GrowthPlan.Cell: Sized] = [:]
  var retention = Retention()

  /// The figures of all sizes, in the order of measuring; ratios are those to the median of the first.
  var measurements: Measurements {
    var all = Measurements()
    all.add("heartbeats", "heartbeats at each size", [Double(heartbeats)])
    all.add("commands", "commands at each size", [Double(commands)])
    var first: [String: Double] = [:]
    for cell in plan.cells {
      guard let figures = sized[cell] else { continue }
      for (key, title, unit, digits, values) in [
        ("per_second", "heartbeats", "/s", 0, figures.rate), ("cpu_us_per_message", "worker's time", "µs/heartbeat", 2, figures.processor),
        ("dispatch_p50_ms", "command, p50", "ms", 2, figures.dispatch.map { $0.milliseconds(50) }),
        ("dispatch_p99_ms", "command, p99", "ms", 2, figures.dispatch.map { $0.milliseconds(99) }),
      ] {
        all.add("\(cell.key)_\(key)", "\(cell.title): \(title)", unit: unit, digits: digits, values)
        if let base = first[key], base > 0 {
          all.add("\(cell.key)_\(key)_ratio_to_smallest", "  ratio to \(plan.cells[0].title)", digits: 2, values.map { $0 / base })
        } else {
          first[key] = Spread(values)?.median
        }
      }
    }
    all.add("retention_per_second", "while old commands are removed: heartbeats", unit: "/s", retention.rate)
    all.add("retention_ratio", "  ratio to those while nothing is removed", digits: 2, retention.ratio)
    all.add("retention_removed", "  commands removed meanwhile", retention.removed)
    return all
  }
}
