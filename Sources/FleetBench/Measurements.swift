import Glibc
import ServiceRuntime

/// The figures of a scenario, each measured once a run, and the two ways to print them.
struct Measurements: Sendable {
  private struct Figure: Sendable {
    let key: String
    let title: String
    let unit: String
    let digits: Int
    let values: [Double]
  }

  private var figures: [Figure] = []

  /// Adds a figure: `key` for programs, `title` and `unit` for readers, the values of all runs. One without a value is left out.
  mutating func add(_ key: String, _ title: String, unit: String = "", digits: Int = 0, _ values: [Double]) {
    figures.append(Figure(key: key, title: title, unit: unit, digits: digits, values: values))
  }

  /// Prints all on standard output: one JSON object, or a line each.
  func write(asJSON: Bool) { writeFully(asJSON ? json + "\n" : text, to: STDOUT_FILENO) }

  /// `"key": median, "key_range": [least, greatest]`; figures of one run have no range.
  var json: String {
    let members = figures.flatMap { figure -> [String] in
      guard let spread = Spread(figure.values) else { return [] }
      let median = "\"\(figure.key)\": \(decimal(spread.median, figure.digits))"
      guard figure.values.count > 1 else { return [median] }
      return [median, "\"\(figure.key)_range\": [\(decimal(spread.least, figure.digits)), \(decimal(spread.greatest, figure.digits))]"]
    }
    return "{\(members.joined(separator: ", "))}"
  }

  /// `title   median unit   (least to greatest)`.
  var text: String {
    var lines = ""
    for figure in figures {
      guard let spread = Spread(figure.values) else { continue }
      let value = decimal(spread.median, figure.digits) + (figure.unit.isEmpty ? "" : " \(figure.unit)")
      let range =
        figure.values.count > 1 ? "(\(decimal(spread.least, figure.digits)) to \(decimal(spread.greatest, figure.digits)))" : ""
      lines += "\(padded(figure.title, 46))\(range.isEmpty ? value : padded(value, 20) + range)\n"
    }
    return lines
  }

  private func padded(_ text: String, _ width: Int) -> String { text + String(repeating: " ", count: max(1, width - text.count)) }
}
