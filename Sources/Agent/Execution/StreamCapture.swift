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
  var size: TextSize { TextSize(head) + TextSize(tail) }

  /// The text, with a line in place of what was dropped and of what does not fit into `room`.
  func text(in room: TextSize) -> String {
    let kept = head + tail[oldest...] + tail[..<oldest]
    if dropped == 0 && size.fits(in: room) { return String(decoding: kept, as: UTF8.self) }
    let part = TextSize(bytes: (room.bytes - Self.noticeBytes) / 2, escaped: (room.escaped - Self.noticeBytes) / 2)
    // What was dropped lies between the two halves: neither may reach into the other.
    var beginning = part.prefix(of: dropped == 0 ? kept : head)
    beginning -= TextRepair.incompleteSuffix(of: kept[..<beginning])
    var end = kept.count - part.suffix(of: Array(kept[(dropped == 0 ? beginning : head.count)...]))
    while end < kept.count && TextRepair.isContinuation(kept[end]) { end += 1 }
    let cut = dropped + end - beginning
    let lineBreak = beginning == 0 || kept[beginning - 1] == UInt8(ascii: "\n") ? "" : "\n"
    return String(decoding: kept[..<beginning], as: UTF8.self) + "\(lineBreak)[… \(cut) bytes cut …]\n"
      + String(decoding: kept[end...], as: UTF8.self)
  }
}
