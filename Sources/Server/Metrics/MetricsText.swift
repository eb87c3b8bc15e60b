/// The Prometheus text exposition format, version 0.0.4: a pure function of what was read.
enum MetricsText {
  /// The `Content-Type` of the page.
  static let contentType = "text/plain; version=0.0.4; charset=utf-8"

  /// The page. A metric of which nothing was read is left out.
  static func page(_ readings: [MetricReading]) -> String {
    var text = ""
    for reading in readings where !reading.samples.isEmpty {
      let description = reading.description
      text += "# HELP \(description.name) \(escaped(description.help))\n# TYPE \(description.name) \(description.kind.rawValue)\n"
      for sample in reading.samples {
        let labels = Array(zip(description.labels, sample.labels))
        switch sample.value {
        case .number(let number): append(description.name, labels, number, to: &text)
        case .histogram(let histogram): append(histogram, description.name, labels, to: &text)
        }
      }
    }
    return text
  }

  /// Buckets are cumulative: each counts what the smaller ones count, too.
  private static func append(_ histogram: HistogramReading, _ name: String, _ labels: [(String, String)], to text: inout String) {
    var total = 0
    for (bound, count) in zip(histogram.bounds + [.infinity], histogram.counts) {
      total += count
      append(name + "_bucket", labels + [("le", Self.number(bound))], Double(total), to: &text)
    }
    append(name + "_sum", labels, histogram.sum, to: &text)
    append(name + "_count", labels, Double(total), to: &text)
  }

  private static func append(_ name: String, _ labels: [(String, String)], _ number: Double, to text: inout String) {
    text += name
    if !labels.isEmpty {
      text += "{" + labels.map { "\($0)=\"\(escaped($1).replacing("\"", with: "\\\""))\"" }.joined(separator: ",") + "}"
    }
    text += " \(Self.number(number))\n"
  }

  /// As Go's `ParseFloat` reads it, whole numbers without a fraction.
  static func number(_ number: Double) -> String {
    if number.isNaN { return "NaN" }
    if number.isInfinite { return number > 0 ? "+Inf" : "-Inf" }
    return Int(exactly: number).map { "\($0)" } ?? "\(number)"
  }

  private static func escaped(_ text: String) -> String { text.replacing("\\", with: "\\\\").replacing("\n", with: "\\n") }
}
