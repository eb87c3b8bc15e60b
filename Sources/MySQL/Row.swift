import ServiceRuntime

/// A row could not be read as the program expects: which column, what was expected, what was found.
public struct RowError: Error, Equatable, CustomStringConvertible {
  /// `table.column`, or the column alone where it is an expression.
  public let column: String
  /// What the program asked for.
  public let expected: String
  /// What is there, shortened.
  public let found: String

  /// An error about a column.
  public init(column: String, expected: String, found: String) {
    self.column = column
    self.expected = expected
    self.found = found
  }

  /// One line for a log.
  public var description: String { "column \(column): expected \(expected), found \(found)" }
}

/// One row of a result, read by column name (the alias, where the statement gives one).
public struct Row: Sendable {
  let columns: Columns
  /// The values in the order of the statement.
  public let values: [Value]

  /// The columns' names in the order of the statement.
  public var columnNames: [String] { columns.names }

  /// The value as it came, whatever it is.
  public func value(_ column: String) throws(RowError) -> Value { values[try columns.index(column)] }

  /// A text. Binary columns are accepted when their bytes are UTF-8.
  public func string(_ column: String) throws(RowError) -> String { try required(column, "a text", Self.text) }
  /// A text or NULL.
  public func optionalString(_ column: String) throws(RowError) -> String? { try optional(column, "a text", Self.text) }

  /// A whole number of 64 bits; the text of one too, as `SUM()` yields it.
  public func int(_ column: String) throws(RowError) -> Int { try required(column, Self.wholeNumber, Self.integer) }
  /// A whole number or NULL.
  public func optionalInt(_ column: String) throws(RowError) -> Int? { try optional(column, Self.wholeNumber, Self.integer) }

  /// 0 or 1 as a truth value; any other number is an error.
  public func bool(_ column: String) throws(RowError) -> Bool { try required(column, "0 or 1", Self.truth) }
  /// 0 or 1 as a truth value, or NULL.
  public func optionalBool(_ column: String) throws(RowError) -> Bool? { try optional(column, "0 or 1", Self.truth) }

  /// A number, whole or not, `DECIMAL` rounded to the nearest double.
  public func double(_ column: String) throws(RowError) -> Double { try required(column, "a number", Self.number) }
  /// A number or NULL.
  public func optionalDouble(_ column: String) throws(RowError) -> Double? { try optional(column, "a number", Self.number) }

  /// A `TIMESTAMP` or `DATETIME` in UTC, digits after the millisecond dropped.
  public func timestamp(_ column: String) throws(RowError) -> Timestamp { try required(column, Self.moment, Self.timestamp) }
  /// A `TIMESTAMP` or `DATETIME`, or NULL.
  public func optionalTimestamp(_ column: String) throws(RowError) -> Timestamp? { try optional(column, Self.moment, Self.timestamp) }

  /// Bytes; a text's are its UTF-8.
  public func bytes(_ column: String) throws(RowError) -> [UInt8] { try required(column, "bytes", Self.bytes) }
  /// Bytes or NULL.
  public func optionalBytes(_ column: String) throws(RowError) -> [UInt8]? { try optional(column, "bytes", Self.bytes) }

  /// The error for a value that the program has no use for, a status it does not know for instance; `expected` as in "a text".
  public func mismatch(_ column: String, expected: String) throws(RowError) -> RowError { mismatch(try columns.index(column), expected) }

  private static let wholeNumber = "a whole number of 64 bits"
  private static let moment = "a date and time"

  private func required<Result>(_ column: String, _ expected: String, _ convert: (Value) -> Result?) throws(RowError) -> Result {
    let index = try columns.index(column)
    guard let result = convert(values[index]) else { throw mismatch(index, expected) }
    return result
  }

  private func optional<Result>(_ column: String, _ expected: String, _ convert: (Value) -> Result?) throws(RowError) -> Result? {
    let index = try columns.index(column)
    if case .null = values[index] { return nil }
    guard let result = convert(values[index]) else { throw mismatch(index, "\(expected) or NULL") }
    return result
  }

  private func mismatch(_ index: Int, _ expected: String) -> RowError {
    RowError(column: columns.qualifiedName(index), expected: expected, found: values[index].preview)
  }

  private static func text(_ value: Value) -> String? {
    switch value {
    case .text(let text): text
    case .bytes(let bytes): String(validating: bytes, as: UTF8.self)
    default: nil
    }
  }

  private static func integer(_ value: Value) -> Int? {
    switch value {
    case .int(let number): Int(number)
    case .text(let text): Int(text)
    default: nil
    }
  }

  private static func truth(_ value: Value) -> Bool? {
    switch value {
    case .int(0): false
    case .int(1): true
    default: nil
    }
  }

  private static func number(_ value: Value) -> Double? {
    switch value {
    case .int(let number): Double(number)
    case .double(let number): number
    case .text(let text): Double(text)
    default: nil
    }
  }

  private static func timestamp(_ value: Value) -> Timestamp? {
    guard case .text(let text) = value else { return nil }
    return Timestamp(text: text)
  }

  private static func bytes(_ value: Value) -> [UInt8]? {
    switch value {
    case .bytes(let bytes): bytes
    case .text(let text): Array(text.utf8)
    default: nil
    }
  }
}
