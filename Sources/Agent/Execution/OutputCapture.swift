import FleetProtocol

/// Both of a program's streams as they are read: counted, repaired, and kept as far as a result may carry them.
struct OutputCapture: Sendable {
  /// What both texts may need together. In JSON a control character takes six bytes: a result full of them would be larger than any message
  /// may be, and could never be reported.
  static let room = TextSize(bytes: MessageLimits.outputBytes, escaped: MessageLimits.resultBodyBytes - 64 * 1024)

  private struct Stream: Sendable {
    var bytes = 0
    var repair = TextRepair()
    var capture = StreamCapture()
  }

  private var output = Stream()
  private var error = Stream()

  /// Takes what was read and returns it as pieces of text for whoever follows it live.
  mutating func take(_ bytes: ArraySlice<UInt8>, from stream: CommandOutput.Stream) -> [[UInt8]] {
    change(stream) { stream in
      stream.bytes += bytes.count
      return Self.keep(stream.repair.text(of: bytes), &stream)
    }
  }

  /// The stream has ended: what it broke off in the middle of.
  mutating func end(_ stream: CommandOutput.Stream) -> [[UInt8]] { change(stream) { Self.keep($0.repair.rest(), &$0) } }

  /// What is kept of both; `end` was called for each.
  func result() -> (output: CapturedOutput, error: CapturedOutput) {
    let rooms = Self.share(Self.room, output.capture.size, error.capture.size)
    return (
      CapturedOutput(text: output.capture.text(in: rooms.0), bytes: output.bytes),
      CapturedOutput(text: error.capture.text(in: rooms.1), bytes: error.bytes)
    )
  }

  private mutating func change(_ stream: CommandOutput.Stream, _ body: (inout Stream) -> [[UInt8]]) -> [[UInt8]] {
    switch stream {
    case .standardOutput: body(&output)
    case .standardError: body(&error)
    }
  }

  private static func keep(_ text: [UInt8], _ stream: inout Stream) -> [[UInt8]] {
    stream.capture.append(text)
    return pieces(of: text)
  }

  /// Text in pieces of whole characters that a message may carry.
  private static func pieces(of text: [UInt8]) -> [[UInt8]] {
    if text.count <= MessageLimits.outputPieceBytes { return text.isEmpty ? [] : [text] }
    var pieces: [[UInt8]] = []
    var rest = text[...]
    while !rest.isEmpty {
      var piece = rest.prefix(MessageLimits.outputPieceBytes)
      piece = piece.dropLast(TextRepair.incompleteSuffix(of: piece))
      pieces.append(Array(piece))
      rest = rest.dropFirst(piece.count)
    }
    return pieces
  }

  /// Each gets half, and what the other does not need.
  static func share(_ room: TextSize, _ first: TextSize, _ second: TextSize) -> (TextSize, TextSize) {
    func share(_ room: Int, _ first: Int, _ second: Int) -> (Int, Int) {
      let half = room / 2
      if first <= half { return (first, room - first) }
      if second <= half { return (room - second, second) }
      return (half, half)
    }
    let bytes = share(room.bytes, first.bytes, second.bytes)
    let escaped = share(room.escaped, first.escaped, second.escaped)
    return (TextSize(bytes: bytes.0, escaped: escaped.0), TextSize(bytes: bytes.1, escaped: escaped.1))
  }
}
