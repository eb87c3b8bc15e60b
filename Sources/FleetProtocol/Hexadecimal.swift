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
    var bytes = InlineArray<32, UInt8>(repeating: 0)
    var index = 0
    for byte in text.utf8 {
      let value: UInt8
      switch byte {
      case 0x30...0x39: value = byte - 0x30
      case 0x61...0x66: value = byte - 0x61 + 10
      default: return nil
      }
      guard index < bytes.count * 2 else { return nil }
      bytes[index >> 1] = bytes[index >> 1] << 4 | value
      index += 1
    }
    return index == bytes.count * 2 ? bytes : nil
  }
}
