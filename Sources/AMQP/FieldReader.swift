import Glibc

/// Reads AMQP's types from bytes of the wire, one after the other (AMQP 0-9-1, 4.2.5): a value that needs no socket.
///
/// Every reading says `nil` where the bytes end too early or mean nothing; nothing good can be read after that.
struct FieldReader {
  /// Deeper nesting is read as `.unsupported`: nobody in a fleet sends it, and recursion must not follow a stranger's bytes.
  static let maximumDepth = 8

  private let bytes: [UInt8]
  private var index: Int
  private let end: Int

  /// A reader of that part of `bytes`.
  init(_ bytes: [UInt8], _ range: Range<Int>) {
    self.bytes = bytes
    index = range.lowerBound
    end = min(range.upperBound, bytes.count)
  }

  var isAtEnd: Bool { index >= end }

  /// A whole number, the most significant byte first.
  mutating func integer<Number: FixedWidthInteger>(_ type: Number.Type) -> Number? {
    guard let range = skip(MemoryLayout<Number>.size) else { return nil }
    var number: Number = 0
    for byte in bytes[range] { number = number << 8 | Number(truncatingIfNeeded: byte) }
    return number
  }

  /// Where the contents of a short string (a length of one byte) stand.
  mutating func shortString() -> Range<Int>? { integer(UInt8.self).flatMap { skip(Int($0)) } }

  /// Where the contents of a long string, a table or an array (a length of four bytes) stand.
  mutating func longString() -> Range<Int>? { integer(UInt32.self).flatMap { skip(Int($0)) } }

  /// The entries of a table whose contents, without their length, are what this reads.
  mutating func table(depth: Int = 0) -> FieldTable {
    var entries: [(name: String, value: FieldValue)] = []
    while !isAtEnd, let name = shortString(), let value = value(depth: depth) { entries.append((text(name), value)) }
    return FieldTable(entries)
  }

  /// The first value of that name in a table whose contents, without their length, are what this reads. No other value is made on the way.
  mutating func value(named wanted: String) -> FieldValue? {
    while !isAtEnd, let name = shortString() {
      if says(wanted, at: name) { return value(depth: 0) }
      guard skipValue() else { return nil }
    }
    return nil
  }

  /// Whether the bytes there are those of the text.
  private func says(_ text: String, at range: Range<Int>) -> Bool {
    guard range.count == text.utf8.count else { return false }
    // memcmp: comparing sequences goes byte by byte.
    let isSame = text.utf8.withContiguousStorageIfAvailable { text in
      bytes.withUnsafeBufferPointer { bytes in
        guard let bytes = bytes.baseAddress, let text = text.baseAddress else { return true }
        return memcmp(bytes + range.lowerBound, text, range.count) == 0
      }
    }
    return isSame ?? bytes[range].elementsEqual(text.utf8)
  }

  /// A value behind the letter of its type, as RabbitMQ and librabbitmq use them (RabbitMQ, "AMQP 0-9-1 Errata", 3).
  private mutating func value(depth: Int) -> FieldValue? {
    switch integer(UInt8.self) {
    case UInt8(ascii: "V"): return .null
    case UInt8(ascii: "t"): return integer(UInt8.self).map { .bool($0 != 0) }
    case UInt8(ascii: "b"): return integer(Int8.self).map { .int(Int64($0)) }
    case UInt8(ascii: "B"): return integer(UInt8.self).map { .int(Int64($0)) }
    case UInt8(ascii: "s"): return integer(Int16.self).map { .int(Int64($0)) }
    case UInt8(ascii: "u"): return integer(UInt16.self).map { .int(Int64($0)) }
    case UInt8(ascii: "I"): return integer(Int32.self).map { .int(Int64($0)) }
    case UInt8(ascii: "i"): return integer(UInt32.self).map { .int(Int64($0)) }
    case UInt8(ascii: "l"): return integer(Int64.self).map { .int($0) }
    case UInt8(ascii: "L"): return integer(UInt64.self).map { number in Int64(exactly: number).map { .int($0) } ?? .unsupported }
    case UInt8(ascii: "f"): return integer(UInt32.self).map { .double(Double(Float(bitPattern: $0))) }
    case UInt8(ascii: "d"): return integer(UInt64.self).map { .double(Double(bitPattern: $0)) }
    case UInt8(ascii: "D"): return skip(5).map { _ in .unsupported }
    case UInt8(ascii: "T"): return integer(Int64.self).map { .timestamp($0) }
    case UInt8(ascii: "S"): return longString().map { .text(text($0)) }
    case UInt8(ascii: "x"): return longString().map { .bytes(Array(bytes[$0])) }
    case UInt8(ascii: "F"): return longString().map { nestedTable($0, depth) }
    case UInt8(ascii: "A"): return longString().map { array($0, depth) }
    default: return nil
    }
  }

  private func nestedTable(_ range: Range<Int>, _ depth: Int) -> FieldValue {
    guard depth < Self.maximumDepth else { return .unsupported }
    var inside = FieldReader(bytes, range)
    return .table(inside.table(depth: depth + 1))
  }

  private func array(_ range: Range<Int>, _ depth: Int) -> FieldValue {
    guard depth < Self.maximumDepth || range.isEmpty else { return .unsupported }
    var inside = FieldReader(bytes, range)
    var values: [FieldValue] = []
    while !inside.isAtEnd, let value = inside.value(depth: depth + 1) { values.append(value) }
    return .array(values)
  }

  private mutating func skipValue() -> Bool {
    switch integer(UInt8.self) {
    case UInt8(ascii: "V"): true
    case UInt8(ascii: "t"), UInt8(ascii: "b"), UInt8(ascii: "B"): skip(1) != nil
    case UInt8(ascii: "s"), UInt8(ascii: "u"): skip(2) != nil
    case UInt8(ascii: "I"), UInt8(ascii: "i"), UInt8(ascii: "f"): skip(4) != nil
    case UInt8(ascii: "D"): skip(5) != nil
    case UInt8(ascii: "l"), UInt8(ascii: "L"), UInt8(ascii: "d"), UInt8(ascii: "T"): skip(8) != nil
    case UInt8(ascii: "S"), UInt8(ascii: "x"), UInt8(ascii: "F"), UInt8(ascii: "A"): longString() != nil
    default: false
    }
  }

  private mutating func skip(_ count: Int) -> Range<Int>? {
    guard end - index >= count else { return nil }
    defer { index += count }
    return index..<(index + count)
  }

  private func text(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }
}
