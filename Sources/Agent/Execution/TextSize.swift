/// How much room a text takes: as it is, and in JSON, where some characters take more.
struct TextSize: Sendable, Equatable {
  /// Bytes of UTF-8.
  var bytes = 0
  /// Bytes of UTF-8 as the contents of a JSON string.
  var escaped = 0

  /// What JSON makes of each byte: `\u001b`, `\n`, or itself (RFC 8259, section 7, as Foundation writes it).
  private static let escapedLengths: [Int] = (0..<256).map { byte in
    switch UInt8(byte) {
    case 0x08, 0x09, 0x0a, 0x0c, 0x0d, UInt8(ascii: "\""), UInt8(ascii: "\\"): 2
    case 0..<0x20: 6
    default: 1
    }
  }

  init(bytes: Int = 0, escaped: Int = 0) {
    self.bytes = bytes
    self.escaped = escaped
  }

  /// What this text takes.
  init(_ text: [UInt8]) {
    let everything = TextSize(bytes: .max, escaped: .max)
    self = everything.fill(with: text, from: 0, by: 1)
  }

  static func + (left: TextSize, right: TextSize) -> TextSize {
    TextSize(bytes: left.bytes + right.bytes, escaped: left.escaped + right.escaped)
  }

  func fits(in room: TextSize) -> Bool { bytes <= room.bytes && escaped <= room.escaped }

  /// How many bytes at the beginning of a text fit into this room.
  func prefix(of text: [UInt8]) -> Int { fill(with: text, from: 0, by: 1).bytes }

  /// How many bytes at the end of a text fit into this room.
  func suffix(of text: [UInt8]) -> Int { fill(with: text, from: text.count - 1, by: -1).bytes }

  /// Takes byte by byte as long as there is room. Over unsafe pointers: it runs over megabytes, also in builds that are not optimized.
  private func fill(with text: [UInt8], from start: Int, by step: Int) -> TextSize {
    let most = min(text.count, bytes)
    var taken = 0
    var room = escaped
    text.withUnsafeBufferPointer { text in
      Self.escapedLengths.withUnsafeBufferPointer { lengths in
        var index = start
        while taken < most {
          room -= lengths[Int(text[index])]
          if room < 0 { break }
          taken += 1
          index += step
        }
        if room < 0 { room += lengths[Int(text[index])] }
      }
    }
    return TextSize(bytes: taken, escaped: escaped - room)
  }
}
