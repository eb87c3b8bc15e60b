/// Makes text of a stream of bytes: UTF-8 whatever came in, without NUL, which no JSON body of ours may hold. What cannot be is U+FFFD.
struct TextRepair: Sendable {
  private static let replacement = Array("\u{fffd}".utf8)
  private var begun: [UInt8] = []

  /// The next bytes as whole characters; one that is not complete yet comes with the bytes that complete it.
  mutating func text(of bytes: ArraySlice<UInt8>) -> [UInt8] {
    var all = bytes
    if !begun.isEmpty { all = begun + bytes }
    let whole = all.count - Self.incompleteSuffix(of: all)
    begun = Array(all.suffix(all.count - whole))
    return Self.repaired(all.prefix(whole))
  }

  /// What is left of a character that will not be completed.
  mutating func rest() -> [UInt8] {
    defer { begun = [] }
    return Self.repaired(begun[...])
  }

  /// How many bytes at the end are the beginning of a character whose other bytes are not there.
  static func incompleteSuffix(of bytes: ArraySlice<UInt8>) -> Int {
    for (index, byte) in bytes.suffix(3).reversed().enumerated() where !isContinuation(byte) {
      let length =
        switch byte {
        case 0xc2...0xdf: 2
        case 0xe0...0xef: 3
        case 0xf0...0xf4: 4
        default: 1
        }
      return length > index + 1 ? index + 1 : 0
    }
    return 0
  }

  /// Whether a byte stands inside a character.
  static func isContinuation(_ byte: UInt8) -> Bool { byte & 0xc0 == 0x80 }

  private static func repaired(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
    var text = String(decoding: bytes, as: UTF8.self)
    let isWithoutNUL = text.withUTF8 { !$0.contains(0) }
    if isWithoutNUL { return Array(text.utf8) }
    return text.utf8.flatMap { $0 == 0 ? replacement : [$0] }
  }
}
