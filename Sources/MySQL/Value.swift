import ServiceRuntime

/// A value bound to a statement or read from a row.
///
/// Dates travel as text in both directions: `MYSQL_TIME` has another layout in each client library.
public enum Value: Sendable, Hashable {
  /// SQL NULL.
  case null
  /// A whole number of any integer type.
  case int(Int64)
  /// `FLOAT` or `DOUBLE`. Not a number and infinity are refused when the statement runs: SQL has no such values.
  case double(Double)
  /// Text. In a row also `DECIMAL`, dates, `JSON`, and integers beyond `Int64`.
  case text(String)
  /// Bytes of a binary column.
  case bytes([UInt8])
  /// A moment, bound as `2026-01-31 05:26:47.123` in UTC (the session's time zone). A row has dates as `text`; `Row.timestamp` reads them.
  case timestamp(Timestamp)

  /// A number, or NULL for `nil`.
  public init(_ value: Int?) { self = value.map { .int(Int64($0)) } ?? .null }
  /// A number, or NULL for `nil`.
  public init(_ value: Int64?) { self = value.map { .int($0) } ?? .null }
  /// A number, or NULL for `nil`.
  public init(_ value: Double?) { self = value.map { .double($0) } ?? .null }
  /// 1 or 0, or NULL for `nil`.
  public init(_ value: Bool?) { self = value.map { .int($0 ? 1 : 0) } ?? .null }
  /// A text, or NULL for `nil`.
  public init(_ value: String?) { self = value.map { .text($0) } ?? .null }
  /// Bytes, or NULL for `nil`.
  public init(_ value: [UInt8]?) { self = value.map { .bytes($0) } ?? .null }
  /// A moment, or NULL for `nil`.
  public init(_ value: Timestamp?) { self = value.map { .timestamp($0) } ?? .null }
}

extension Value: ExpressibleByNilLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral, ExpressibleByBooleanLiteral,
  ExpressibleByStringLiteral, ExpressibleByStringInterpolation
{
  /// NULL.
  public init(nilLiteral: ()) { self = .null }
  /// A whole number.
  public init(integerLiteral value: Int64) { self = .int(value) }
  /// A floating-point number.
  public init(floatLiteral value: Double) { self = .double(value) }
  /// 1 or 0.
  public init(booleanLiteral value: Bool) { self = .int(value ? 1 : 0) }
  /// A text.
  public init(stringLiteral value: String) { self = .text(value) }
}

extension Value {
  /// The value for an error message: one line, at most 40 characters of it.
  var preview: String {
    switch self {
    case .null: "NULL"
    case .int(let number): String(number)
    case .double(let number): String(number)
    case .text(let text): "'\(shortened(text, to: 40))'"
    case .bytes(let bytes): "\(bytes.count) bytes"
    case .timestamp(let moment): moment.sqlText
    }
  }
}

/// The first `limit` characters on one line, with `…` when there are more.
func shortened(_ text: String, to limit: Int) -> String {
  let head = text.prefix(limit)
  return printable(String(head)) + (head.endIndex == text.endIndex ? "" : "…")
}
