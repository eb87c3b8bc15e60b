import ServiceRuntime

/// A statement with its values written into it, for those that are too large or too varied to prepare: thousands of rows in one INSERT.
///
/// SQL comes from literals (or from `init(sql:)`, which says what it is); values are escaped here and nowhere else. The escaping is that of
/// `mysql_real_escape_string` for `utf8mb4`, byte by byte: a byte below 0x80 is never part of a longer character there. It holds only
/// while the session's `sql_mode` has no NO_BACKSLASH_ESCAPES, which `Connection` sees to.
public struct SQLText: Sendable, ExpressibleByStringLiteral {
  private(set) var bytes: [UInt8] = []
  /// The statement with `?` in place of its values, for errors; only its start.
  private(set) var shape = ""
  private var isShapeFull = false
  /// The first value that cannot be sent, reported when the statement runs.
  private(set) var problem: String?

  /// An empty statement with room for this many bytes.
  public init(capacity: Int = 0) { bytes.reserveCapacity(capacity) }

  /// A literal.
  public init(stringLiteral sql: StaticString) {
    self.init()
    append(sql: sql)
  }

  /// SQL from elsewhere, taken as it is: migrations and names from a fixed list, never anything from outside the program.
  public init(sql: String) {
    bytes = Array(sql.utf8)
    shape = shortened(sql, to: Self.shapeLimit)
  }

  /// Appends literal SQL.
  public mutating func append(sql: StaticString) {
    sql.withUTF8Buffer { bytes.append(contentsOf: $0) }
    if !isShapeFull { extendShape(printable(sql.description)) }
  }

  /// Appends a part of a statement that was made apart, its values already written.
  public mutating func append(part: SQLText) {
    bytes.append(contentsOf: part.bytes)
    problem = problem ?? part.problem
    if !isShapeFull { extendShape(part.shape) }
  }

  /// Appends a value as a literal of SQL.
  public mutating func append(_ value: Value) {
    switch value {
    case .null: bytes.append(contentsOf: Self.null)
    case .int(let number): append(number)
    case .double(let number): append(number)
    case .text(let text): append(text)
    case .bytes(let bytes): append(bytes)
    case .timestamp(let moment): append(moment)
    }
    if !isShapeFull { extendShape("?") }
  }

  /// Appends values separated by commas, without brackets: one row, or the inside of an `IN (…)`.
  public mutating func append(list values: [Value]) {
    for (index, value) in values.enumerated() {
      if index > 0 { append(sql: ", ") }
      append(value)
    }
  }

  private static let shapeLimit = 200
  private static let null = Array("NULL".utf8)
  private static let hexDigits = Array("0123456789ABCDEF".utf8)
  private static let quote = UInt8(ascii: "'")
  private static let backslash = UInt8(ascii: "\\")

  private mutating func extendShape(_ piece: String) {
    shape += piece
    isShapeFull = shape.utf8.count >= Self.shapeLimit
  }

  private mutating func append(_ number: Int64) {
    if number < 0 { bytes.append(UInt8(ascii: "-")) }
    let start = bytes.count
    var rest = number.magnitude
    repeat {
      bytes.append(UInt8(ascii: "0") + UInt8(rest % 10))
      rest /= 10
    } while rest > 0
    bytes[start...].reverse()
  }

  /// With an exponent, so that the server reads a DOUBLE and not a DECIMAL.
  private mutating func append(_ number: Double) {
    if let problem = Value.double(number).problem {
      self.problem = self.problem ?? "a value \(problem)"
      bytes.append(contentsOf: Self.null)
      return
    }
    let text = number.description
    bytes.append(contentsOf: text.utf8)
    if !text.utf8.contains(UInt8(ascii: "e")) { bytes.append(contentsOf: [UInt8(ascii: "e"), UInt8(ascii: "0")]) }
  }

  private mutating func append(_ text: String) {
    var text = text
    bytes.append(Self.quote)
    text.withUTF8 { utf8 in
      var start = 0
      for index in utf8.indices {
        guard let letter = Self.escape(utf8[index]) else { continue }
        bytes.append(contentsOf: UnsafeBufferPointer(rebasing: utf8[start..<index]))
        bytes.append(Self.backslash)
        bytes.append(letter)
        start = index + 1
      }
      bytes.append(contentsOf: UnsafeBufferPointer(rebasing: utf8[start...]))
    }
    bytes.append(Self.quote)
  }

  /// What follows the backslash; `nil` for bytes that stand for themselves. [MySQL manual, `mysql_real_escape_string`]
  @inline(__always) private static func escape(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x5d...: nil
    case UInt8(ascii: "'"), UInt8(ascii: "\""), backslash: byte
    case 0x00: UInt8(ascii: "0")
    case 0x0a: UInt8(ascii: "n")
    case 0x0d: UInt8(ascii: "r")
    case 0x1a: UInt8(ascii: "Z")
    default: nil
    }
  }

  /// `x'…'`: no character set and no escape can touch it.
  private mutating func append(_ binary: [UInt8]) {
    bytes.append(UInt8(ascii: "x"))
    bytes.append(Self.quote)
    for byte in binary {
      bytes.append(Self.hexDigits[Int(byte >> 4)])
      bytes.append(Self.hexDigits[Int(byte & 15)])
    }
    bytes.append(Self.quote)
  }

  private mutating func append(_ moment: Timestamp) {
    bytes.append(Self.quote)
    moment.appendSQLText(to: &bytes)
    bytes.append(Self.quote)
  }
}
