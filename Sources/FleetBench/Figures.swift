import Glibc
import ServiceRuntime

/// Prints one figure of the report: `name   value unit`, on standard output.
func report(_ name: String, _ value: String) {
  let gap = String(repeating: " ", count: max(1, 34 - name.count))
  writeFully("\(name)\(gap)\(value)\n", to: STDOUT_FILENO)
}

/// A number with a fixed count of decimals, without Foundation.
func decimal(_ number: Double, _ digits: Int) -> String {
  guard number.isFinite, abs(number) < 1e15 else { return "\(number)" }
  var scale = 1
  for _ in 0..<digits { scale *= 10 }
  let scaled = Int((abs(number) * Double(scale)).rounded())
  let sign = number < 0 && scaled > 0 ? "-" : ""
  guard digits > 0 else { return "\(sign)\(scaled)" }
  let fraction = String(scaled % scale)
  return "\(sign)\(scaled / scale).\(String(repeating: "0", count: digits - fraction.count))\(fraction)"
}

/// Measured durations, for their distribution.
struct Durations: Sendable {
  private var sorted: [Duration]

  init(_ measured: [Duration]) { sorted = measured.sorted() }

  /// How many were measured.
  var count: Int { sorted.count }

  /// The smallest duration that at least this share of all does not exceed (nearest rank).
  func percentile(_ percent: Double) -> Duration {
    guard !sorted.isEmpty else { return .zero }
    // A binary 99.9 is a little more than 99.9, and must not reach the rank above.
    let rank = Int((percent / 100 * Double(sorted.count) - 1e-6).rounded(.up))
    return sorted[min(max(rank, 1), sorted.count) - 1]
  }

  /// The same in milliseconds.
  func milliseconds(_ percent: Double) -> Double { percentile(percent).inSeconds * 1000 }

  /// `p50 1.23 ms, p99 4.56 ms, max 7.89 ms`.
  var text: String {
    let parts = [("p50", 50.0), ("p99", 99.0), ("max", 100.0)]
    return parts.map { "\($0.0) \(decimal(milliseconds($0.1), 2)) ms" }.joined(separator: ", ")
  }
}
