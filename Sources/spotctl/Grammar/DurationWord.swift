import ServiceRuntime

/// A time span as people type it: `90s`, `10m`, `1h`, `2d`, or a number of seconds.
enum DurationWord {
  /// Letters and the seconds they stand for.
  private static let units: [(letter: Character, seconds: Int)] = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)]

  /// Reads a span of whole seconds. `name` is what the error calls it: an option or an argument.
  static func parse(_ text: String, _ name: String, in range: ClosedRange<Int>) throws(UsageError) -> Duration {
    let unit = units.first { text.last == $0.letter }
    let digits = unit == nil ? text[...] : text.dropLast()
    guard !digits.isEmpty, digits.allSatisfy({ $0.isASCII && $0.isNumber }), let number = Int(digits) else {
      throw UsageError("\(name) is '\(printable(text))'; it must be a time such as 90s, 10m, 1h or 2d (without a letter: seconds)")
    }
    let (seconds, overflow) = number.multipliedReportingOverflow(by: unit?.seconds ?? 1)
    guard !overflow, range.contains(seconds) else {
      throw UsageError("\(name) is '\(printable(text))'; it must be from \(shown(range.lowerBound)) to \(shown(range.upperBound))")
    }
    return .seconds(seconds)
  }

  /// Whole seconds in the largest unit that has no fraction: `1h`, `90s`.
  static func shown(_ seconds: Int) -> String {
    for unit in units.reversed() where seconds >= unit.seconds && seconds % unit.seconds == 0 {
      return "\(seconds / unit.seconds)\(unit.letter)"
    }
    return "\(seconds)s"
  }
}

extension Invocation {
  /// A time span of an option, in a range of seconds; `nil` when the option is not there.
  func duration(_ option: String, in range: ClosedRange<Int>) throws(UsageError) -> Duration? {
    guard let text = values[option] else { return nil }
    do throws(UsageError) {
      return try DurationWord.parse(text, option, in: range)
    } catch {
      throw UsageError(error.problem, path: path)
    }
  }
}
