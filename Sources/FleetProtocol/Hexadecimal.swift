/// Lower-case hexadecimal, by table: it is on the path of every message.
enum Hexadecimal {
  private static let digits = Array("0123456789abcdef".utf8)

  static func encode(_ bytes: [UInt8]) -> String { encode(bytes.count) { bytes[$0] } }

  static func encode(_ tag: InlineArray<32, UInt8>) -> String { encode(tag.count) { tag[$0] } }

  private static func encode(_ count: Int, _ byte: (Int) -> UInt8) -> String {
    String(unsafeUninitializedCapacity: count * 2) { buffer in
      for index in 0..<count {
        buffer[2 * index] = digits[Int(byte(index) >> 4)]
        buffer[2 * index + 1] = digits[Int(byte(index) & 15)]
      }
      return count * 2
    }
  }

  /// Exactly 32 bytes from lower-case digits; `nil` for anything else.
  static func decode(_ text: String) -> InlineArray<32, UInt8>? {
    var text = text
    return text.withUTF8 { digits in
      var bytes = InlineArray<32, UInt8>(repeating: 0)
      guard digits.count == 2 * bytes.count else { return nil }
      // Sixteen where one is no digit: looked at once, at the end.
      var all: UInt8 = 0
      for index in bytes.indices {
        let (high, low) = (value(digits[2 * index]), value(digits[2 * index + 1]))
        all |= high | low
        bytes[index] = high << 4 | low
      }
      return all < 16 ? bytes : nil
    }
  }

  private static func value(_ digit: UInt8) -> UInt8 {
    switch digit {
    case 0x30...0x39: digit - 0x30
    case 0x61...0x66: digit - 0x61 + 10
    default: 16
    }
  }
}
