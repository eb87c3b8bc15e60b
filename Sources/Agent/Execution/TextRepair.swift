import Glibc

/// Makes text of a stream of bytes: UTF-8 whatever came in, without NUL, which no JSON body of ours may hold. What cannot be is U+FFFD.
struct TextRepair: Sendable {
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

  /// Own code, because `String(decoding:)` takes microseconds for each byte that is no text, and a program can write many: seconds for each MiB.
  private static func repaired(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
    if isText(bytes) { return Array(bytes) }
    return bytes.withUnsafeBufferPointer { bytes in
      // Nothing grows to more than the three bytes of U+FFFD, ef bf bd.
      [UInt8](unsafeUninitializedCapacity: bytes.count * 3) { result, count in
        var index = 0
        while index < bytes.count {
          let (length, isValid) = character(of: bytes, at: index)
          if isValid {
            for offset in index..<index + length {
              result[count] = bytes[offset]
              count += 1
            }
          } else {
            result[count] = 0xef
            result[count + 1] = 0xbf
            result[count + 2] = 0xbd
            count += 3
          }
          index += length
        }
      }
    }
  }

  private static func isText(_ bytes: ArraySlice<UInt8>) -> Bool {
    let hasNUL = bytes.withUnsafeBytes { bytes in bytes.baseAddress.map { memchr($0, 0, bytes.count) != nil } ?? false }
    guard !hasNUL else { return false }
    do {
      _ = try UTF8Span(validating: bytes.span)
      return true
    } catch {
      return false
    }
  }

  /// The character at a place, or how many bytes there are the beginning of one that does not go on as it should (Unicode 16, table 3-7).
  private static func character(of bytes: UnsafeBufferPointer<UInt8>, at index: Int) -> (length: Int, isValid: Bool) {
    let first = bytes[index]
    let length: Int
    var second: ClosedRange<UInt8> = 0x80...0xbf
    switch first {
    case 0x01...0x7f: return (1, true)
    case 0xc2...0xdf: length = 2
    case 0xe0...0xef:
      length = 3
      if first == 0xe0 { second = 0xa0...0xbf }
      if first == 0xed { second = 0x80...0x9f }
    case 0xf0...0xf4:
      length = 4
      if first == 0xf0 { second = 0x90...0xbf }
      if first == 0xf4 { second = 0x80...0x8f }
    default: return (1, false)
    }
    for offset in 1..<length {
      guard index + offset < bytes.count else { return (offset, false) }
      let byte = bytes[index + offset]
      guard offset == 1 ? second.contains(byte) : isContinuation(byte) else { return (offset, false) }
    }
    return (length, true)
  }
}
