import ServiceRuntime

/// A JSON array of arrays, written by hand: JSONEncoder costs more than the rest of a heartbeat.
struct JSONRows {
  private var bytes: [UInt8] = [UInt8(ascii: "[")]
  private var isFirstRow = true
  private var isFirstValue = true

  init(capacity: Int) { bytes.reserveCapacity(capacity + 2) }

  /// Bytes so far; 0 when there is no row.
  var count: Int { isFirstRow ? 0 : bytes.count }

  /// The document.
  var json: String { String(decoding: bytes, as: UTF8.self) + (isFirstRow ? "]" : "]]") }

  /// Begins a row.
  mutating func begin() {
    if !isFirstRow {
      bytes.append(UInt8(ascii: "]"))
      bytes.append(UInt8(ascii: ","))
    }
    bytes.append(UInt8(ascii: "["))
    isFirstRow = false
    isFirstValue = true
  }

  mutating func append(_ number: Int64?) {
    separate()
    guard let number, number >= 0 else {
      bytes.append(contentsOf: (number.map { String($0) } ?? "null").utf8)
      return
    }
    let start = bytes.count
    var rest = number
    repeat {
      bytes.append(UInt8(ascii: "0") + UInt8(rest % 10))
      rest /= 10
    } while rest > 0
    bytes[start...].reverse()
  }

  mutating func append(_ moment: Timestamp) {
    separate()
    bytes.append(UInt8(ascii: "\""))
    moment.appendSQLText(to: &bytes)
    bytes.append(UInt8(ascii: "\""))
  }

  mutating func append(_ text: String?) {
    separate()
    guard let text else {
      bytes.append(contentsOf: "null".utf8)
      return
    }
    Self.append(text, to: &bytes)
  }

  /// A JSON array of texts, as a text.
  static func array(_ texts: [String]) -> String {
    var bytes = [UInt8(ascii: "[")]
    for (index, text) in texts.enumerated() {
      if index > 0 { bytes.append(UInt8(ascii: ",")) }
      append(text, to: &bytes)
    }
    bytes.append(UInt8(ascii: "]"))
    return String(decoding: bytes, as: UTF8.self)
  }

  private mutating func separate() {
    if !isFirstValue { bytes.append(UInt8(ascii: ",")) }
    isFirstValue = false
  }

  private static func append(_ text: String, to bytes: inout [UInt8]) {
    var text = text
    bytes.append(UInt8(ascii: "\""))
    text.withUTF8 { utf8 in
      var needsEscape = false
      // Without a way out on the way, so that the compiler can look at many bytes at once.
      for byte in utf8 { needsEscape = needsEscape || byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") }
      if needsEscape { escape(utf8, to: &bytes) } else { bytes.append(contentsOf: utf8) }
    }
    bytes.append(UInt8(ascii: "\""))
  }

  private static func escape(_ text: UnsafeBufferPointer<UInt8>, to bytes: inout [UInt8]) {
    for byte in text {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"):
        bytes.append(UInt8(ascii: "\\"))
        bytes.append(byte)
      case 0..<0x20: bytes.append(contentsOf: "\\u00\(byte < 0x10 ? "0" : "")\(String(byte, radix: 16))".utf8)
      default: bytes.append(byte)
      }
    }
  }
}
