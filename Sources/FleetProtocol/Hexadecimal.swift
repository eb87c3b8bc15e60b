/// Lower-case hexadecimal, by table: it is on the path of every message.
enum Hexadecimal {
  private static let digits = Array("0123456789abcdef".utf8)

  static func encode(_ bytes: [UInt8]) -> String {
    String(unsafeUninitializedCapacity: bytes.count * 2) { buffer in
      for index in bytes.indices {
        buffer[2 * index] = digits[Int(bytes[index] >> 4)]
        buffer[2 * index + 1] = digits[Int(bytes[index] & 15)]
      }
      return bytes.count * 2
    }
  }

  /// Exactly `count` bytes from lower-case digits; `nil` for anything else.
  static func decode(_ text: String, count: Int) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: count)
    var index = 0
    for byte in text.utf8 {
      let value: UInt8
      switch byte {
      case 0x30...0x39: value = byte - 0x30
      case 0x61...0x66: value = byte - 0x61 + 10
      default: return nil
      }
      guard index < count * 2 else { return nil }
      bytes[index >> 1] = bytes[index >> 1] << 4 | value
      index += 1
    }
    return index == count * 2 ? bytes : nil
  }
}
