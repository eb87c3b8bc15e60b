import Glibc

/// The process's environment, read with checks that name the variable, its value and the remedy.
///
/// White space round a value is stripped, and an empty value counts as absent: `FOO=` in an env file means "not set".
public struct Environment: Sendable {
  private let values: [String: String]

  /// An environment of these variables.
  public init(_ values: [String: String]) {
    self.values = values.compactMapValues { value in
      let trimmed = value.trimmingWhitespace()
      return trimmed.isEmpty ? nil : trimmed
    }
  }

  /// The environment this process was started with.
  public static var process: Environment {
    var values: [String: String] = [:]
    var next = environ
    while let entry = next.pointee {
      let text = String(cString: entry)
      if let equals = text.firstIndex(of: "=") { values[String(text[..<equals])] = String(text[text.index(after: equals)...]) }
      next += 1
    }
    return Environment(values)
  }

  /// The value, or `nil` when it is absent or empty.
  public subscript(name: String) -> String? { values[name] }

  /// The same environment with another value of one variable; `nil` takes it away.
  public func replacing(_ name: String, with value: String?) -> Environment {
    var values = values
    values[name] = value
    return Environment(values)
  }

  /// A text that must be there. `remedy` says how to get one.
  public func required(_ name: String, remedy: String) throws(ConfigurationError) -> String {
    guard let value = values[name] else { throw ConfigurationError(name: name, problem: "is not set", remedy: remedy) }
    return value
  }

  /// A text with a default.
  public func string(_ name: String, default fallback: String) -> String { values[name] ?? fallback }

  /// A whole number in a range, both ends included.
  public func integer(_ name: String, default fallback: Int, in range: ClosedRange<Int>, unit: String = "") throws(ConfigurationError)
    -> Int
  {
    try number(name, in: range, unit: unit, orUnset: "unset it (default \(fallback))") ?? fallback
  }

  /// A whole number in a range, both ends included; `nil` when it is not set, which has a meaning of its own.
  public func integer(_ name: String, in range: ClosedRange<Int>, unit: String = "") throws(ConfigurationError) -> Int? {
    try number(name, in: range, unit: unit, orUnset: "unset it")
  }

  private func number(_ name: String, in range: ClosedRange<Int>, unit: String, orUnset alternative: String) throws(ConfigurationError)
    -> Int?
  {
    guard let value = values[name] else { return nil }
    let wanted =
      "set it to a whole number from \(range.lowerBound) to \(range.upperBound)\(unit.isEmpty ? "" : " (\(unit))") or \(alternative)"
    guard let number = Int(value) else {
      throw ConfigurationError(name: name, problem: "is '\(printable(value))', which is not a whole number", remedy: wanted)
    }
    guard range.contains(number) else {
      throw ConfigurationError(name: name, problem: "is \(number), which is out of range", remedy: wanted)
    }
    return number
  }

  /// A number of whole seconds in a range, as a duration.
  public func seconds(_ name: String, default fallback: Int, in range: ClosedRange<Int>) throws(ConfigurationError) -> Duration {
    .seconds(try integer(name, default: fallback, in: range, unit: "seconds"))
  }

  /// A file that can be read, or `nil`. `content` says what is in it, for the error.
  public func readableFile(_ name: String, content: String) throws(ConfigurationError) -> String? {
    guard let path = values[name] else { return nil }
    guard access(path, R_OK) == 0 else {
      throw ConfigurationError(
        name: name, problem: "is '\(printable(path))', which cannot be read ([Errno \(errno)] \(String(cString: strerror(errno))))",
        remedy: "set it to \(content), or unset it")
    }
    return path
  }

  /// One of a few words, compared without regard to case.
  public func choice<Choice: RawRepresentable & CaseIterable>(_ name: String, default fallback: Choice) throws(ConfigurationError) -> Choice
  where Choice.RawValue == String {
    guard let value = values[name] else { return fallback }
    if let choice = Choice.allCases.first(where: { $0.rawValue.lowercased() == value.lowercased() }) { return choice }
    throw ConfigurationError(
      name: name, problem: "is '\(printable(value))', which is none of its values",
      remedy: "set it to one of \(Choice.allCases.map(\.rawValue).joined(separator: ", ")) or unset it (default \(fallback.rawValue))")
  }
}

extension String {
  /// Without the spaces, tabs and line breaks at both ends.
  public func trimmingWhitespace() -> String {
    guard let first = firstIndex(where: { !$0.isWhitespace }), let last = lastIndex(where: { !$0.isWhitespace }) else { return "" }
    return String(self[first...last])
  }
}
