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

  /// The smallest duration that at least this share of all does not exceed (nearest rank).
  func percentile(_ percent: Double) -> Duration {
    guard !sorted.isEmpty else { return .zero }
    let rank = Int((percent / 100 * Double(sorted.count)).rounded(.up))
    return sorted[min(max(rank, 1), sorted.count) - 1]
  }

  /// `p50 1.23 ms, p99 4.56 ms, max 7.89 ms`.
  var text: String {
    let parts = [("p50", 50.0), ("p99", 99.0), ("max", 100.0)]
    return parts.map { "\($0.0) \(decimal(percentile($0.1).inSeconds * 1000, 2)) ms" }.joined(separator: ", ")
  }
}

/// The figures of an earlier run.
enum Baseline {
  /// The name under which a rate is printed and found again.
  static let rateName = "heartbeats/s"

  /// The rate in a file that holds the output of an earlier `drain`.
  static func rate(in path: String) throws(ConfigurationError) -> Double {
    func refuse(_ problem: String) -> ConfigurationError {
      ConfigurationError(
        name: "--baseline", problem: "is '\(printable(path))', \(problem)",
        remedy: "give the file with the output of an earlier fleet-bench drain, or none")
    }
    guard let file = fopen(path, "re") else {
      throw refuse("which cannot be opened ([Errno \(errno)] \(String(cString: strerror(errno))))")
    }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 65_536)
    let count = fread(&bytes, 1, bytes.count, file)
    for line in String(decoding: bytes[..<count], as: UTF8.self).split(separator: "\n") {
      let words = line.split(separator: " ")
      if words.count >= 2, words[0] == rateName, let rate = Double(words[1]), rate > 0 { return rate }
    }
    throw refuse("in which no line says '\(rateName)' and a number")
  }
}
