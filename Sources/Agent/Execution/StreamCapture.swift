import FleetProtocol

/// Keeps the beginning and the end of a text of any length; its memory is bounded by `limit`.
struct StreamCapture: Sendable {
  /// The most that is kept, in bytes: half of it from the beginning, half from the end.
  static let limit = MessageLimits.outputBytes
  private static let half = limit / 2
  /// Room for the line that says what was cut.
  private static let noticeBytes = 80

  private var head: [UInt8] = []
  /// A ring, once it is full: the oldest byte is at `oldest`.
  private var tail: [UInt8] = []
  private var oldest = 0
  private var dropped = 0

  /// Adds text: whole characters of UTF-8.
  mutating func append(_ text: [UInt8]) {
    var rest = text[...]
    if head.count < Self.half {
      let taken = rest.prefix(Self.half - head.count)
      head += taken
      rest = rest.dropFirst(taken.count)
    }
    if tail.count < Self.half {
      let taken = rest.prefix(Self.half - tail.count)
      tail += taken
      rest = rest.dropFirst(taken.count)
    }
    dropped += rest.count
    // What would be overwritten by the same piece need not be written first.
    rest = rest.suffix(Self.half)
    while !rest.isEmpty {
      let taken = rest.prefix(Self.half - oldest)
      tail.replaceSubrange(oldest..<oldest + taken.count, with: taken)
      oldest = (oldest + taken.count) % Self.half
      rest = rest.dropFirst(taken.count)
    }
  }

  /// What the text kept so far needs.
  var size: TextSize {
    head.withUnsafeBytes { TextSize($0) } + tail.withUnsafeBytes { TextSize($0) }
  }

  /// The text, with a line in place of what was dropped and of what does not fit into `room`.
  func text(in room: TextSize) -> String {
    let kept = head + tail[oldest...] + tail[..<oldest]
    if dropped == 0 && size.fits(in: room) { return String(decoding: kept, as: UTF8.self) }
    let part = TextSize(bytes: (room.bytes - Self.noticeBytes) / 2, escaped: (room.escaped - Self.noticeBytes) / 2)
    var beginning = Self.fitting(kept[..<(dropped == 0 ? kept.count : head.count)], in: part)
    beginning -= TextRepair.incompleteSuffix(of: kept[..<beginning])
    let after = dropped == 0 ? beginning : head.count
    var end = kept.count - Self.fitting(kept[after...].reversed(), in: part)
    while end < kept.count && TextRepair.isContinuation(kept[end]) { end += 1 }
    let cut = dropped + end - beginning
    let lineBreak = beginning == 0 || kept[beginning - 1] == UInt8(ascii: "\n") ? "" : "\n"
    return String(decoding: kept[..<beginning], as: UTF8.self) + "\(lineBreak)[… \(cut) bytes cut …]\n"
      + String(decoding: kept[end...], as: UTF8.self)
  }

  /// How many of these bytes fit.
  private static func fitting(_ bytes: some Sequence<UInt8>, in room: TextSize) -> Int {
    var size = TextSize()
    for byte in bytes {
      let next = size + TextSize(byte)
      guard next.fits(in: room) else { break }
      size = next
    }
    return size.bytes
  }
}

/// How much room a text takes: as it is, and in JSON, where some characters take more.
struct TextSize: Sendable, Equatable {
  /// Bytes of UTF-8.
  var bytes = 0
  /// Bytes of UTF-8 as the contents of a JSON string.
  var escaped = 0

  init(bytes: Int = 0, escaped: Int = 0) {
    self.bytes = bytes
    self.escaped = escaped
  }

  init(_ byte: UInt8) {
    bytes = 1
    switch byte {
    case 0x08, 0x09, 0x0a, 0x0c, 0x0d, UInt8(ascii: "\""), UInt8(ascii: "\\"): escaped = 2
    case 0..<0x20: escaped = 6
    default: escaped = 1
    }
  }

  init(_ text: UnsafeRawBufferPointer) { for byte in text { self = self + TextSize(byte) } }

  static func + (left: TextSize, right: TextSize) -> TextSize {
    TextSize(bytes: left.bytes + right.bytes, escaped: left.escaped + right.escaped)
  }

  func fits(in room: TextSize) -> Bool { bytes <= room.bytes && escaped <= room.escaped }
}
