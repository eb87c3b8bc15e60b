/// Percent-encoding of everything but `A-Z a-z 0-9 - _`: the form of ids inside routing keys, queue names and names of files.
///
/// Stricter than RFC 3986's unreserved set, which also has `.` and `~`: a dot separates the words of a routing key. There is exactly
/// one encoding of a text (upper-case digits, nothing encoded that need not be), so comparing encodings compares texts.
public enum PercentEncoding {
  private static let upperDigits = Array("0123456789ABCDEF".utf8)

  static func isPlain(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x41...0x5a, 0x61...0x7a, 0x30...0x39, 0x2d, 0x5f: true
    default: false
    }
  }

  /// The encoding of `text`'s UTF-8.
  public static func encode(_ text: String) -> String { encode(text, keeping: nil) }

  /// Like `encode`, but bytes of `keeping` stay as they are.
  static func encode(_ text: String, keeping: UInt8?) -> String {
    if text.utf8.allSatisfy({ isPlain($0) || $0 == keeping }) { return text }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.utf8.count * 3)
    for byte in text.utf8 {
      if isPlain(byte) || byte == keeping {
        bytes.append(byte)
      } else {
        bytes.append(0x25)
        bytes.append(upperDigits[Int(byte >> 4)])
        bytes.append(upperDigits[Int(byte & 15)])
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The text whose encoding is exactly `word`; `nil` when it is the encoding of nothing (stray bytes, lower-case digits, an encoded
  /// plain character, bytes that are no UTF-8).
  public static func decode(_ word: Substring) -> String? {
    let bytes = word.utf8
    // Nearly every id is plain, and this is on the path of every message.
    if bytes.allSatisfy(isPlain) { return String(word) }
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count)
    var index = bytes.startIndex
    while index < bytes.endIndex {
      let byte = bytes[index]
      bytes.formIndex(after: &index)
      guard byte == 0x25 else {
        guard isPlain(byte) else { return nil }
        result.append(byte)
        continue
      }
      guard index < bytes.endIndex, let high = upperValue(bytes[index]) else { return nil }
      bytes.formIndex(after: &index)
      guard index < bytes.endIndex, let low = upperValue(bytes[index]) else { return nil }
      bytes.formIndex(after: &index)
      let decoded = high << 4 | low
      guard !isPlain(decoded) else { return nil }
      result.append(decoded)
    }
    return String(validating: result, as: UTF8.self)
  }

  private static func upperValue(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x41...0x46: byte - 0x41 + 10
    default: nil
    }
  }
}
