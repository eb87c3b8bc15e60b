/// FNV-1a with 64 bits: tells a file that was damaged, and names that differ. It protects against accidents and not against people: whoever may
/// write the agent's state folder is the agent's user or root.
struct Checksum: Sendable {
  private var value: UInt64 = 0xcbf2_9ce4_8422_2325

  /// Takes the next bytes.
  mutating func add(_ bytes: some Sequence<UInt8>) {
    for byte in bytes { value = (value ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
  }

  /// Of a text.
  static func of(_ text: String) -> Checksum {
    var checksum = Checksum()
    checksum.add(text.utf8)
    return checksum
  }

  /// Sixteen lower-case hexadecimal digits.
  var hexadecimal: String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
}
