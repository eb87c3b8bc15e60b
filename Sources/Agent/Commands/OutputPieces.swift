import FleetProtocol

/// Makes pieces of a program's output for those who follow it: numbered, of whole characters, no more than may be sent. What there is too much of is
/// left out, oldest first, and counted. A value without clock or broker.
struct OutputPieces: Sendable {
  /// A piece as it is sent.
  struct Piece: Sendable, Equatable {
    let sequence: Int
    let stream: CommandOutput.Stream
    let text: String
    let skippedBytes: Int
  }

  /// Bytes a second that are sent.
  static let rate = 256 * 1024
  /// Bytes that wait to be sent at most, and that may be sent at once after a pause.
  static let capacity = 256 * 1024

  private struct Segment: Sendable {
    let stream: CommandOutput.Stream
    var bytes: [UInt8]
  }

  private var segments: [Segment] = []
  private var waiting = 0
  private var skipped: [CommandOutput.Stream: Int] = [:]
  private var sequence = 0
  private var allowance = capacity
  private var refilled: ContinuousClock.Instant

  init(now: ContinuousClock.Instant) { refilled = now }

  /// Whether there is anything to send.
  var isEmpty: Bool { segments.isEmpty }

  /// Takes whole characters of one stream.
  mutating func append(_ stream: CommandOutput.Stream, _ bytes: [UInt8]) {
    guard !bytes.isEmpty else { return }
    waiting += bytes.count
    if segments.last?.stream == stream {
      segments[segments.count - 1].bytes += bytes
    } else {
      segments.append(Segment(stream: stream, bytes: bytes))
    }
    while waiting > Self.capacity { skipSome() }
  }

  /// The pieces that may be sent now; with `all`, everything that waits.
  mutating func take(now: ContinuousClock.Instant, all: Bool = false) -> [Piece] {
    refill(now)
    var pieces: [Piece] = []
    // The allowance may go below nothing by one piece, and is then made up for.
    while !segments.isEmpty, all || allowance > 0 { pieces.append(cutPiece()) }
    return pieces
  }

  private mutating func refill(_ now: ContinuousClock.Instant) {
    let milliseconds =
      Int(clamping: refilled.duration(to: now).components.seconds) * 1000
      + Int(
        refilled.duration(to: now).components.attoseconds / 1_000_000_000_000_000)
    guard milliseconds > 0 else { return }
    refilled = now
    allowance = min(Self.capacity, allowance + min(milliseconds, 10_000) * Self.rate / 1000)
  }

  private mutating func cutPiece() -> Piece {
    let stream = segments[0].stream
    let bytes = takeFront(MessageLimits.outputPieceBytes)
    allowance -= bytes.count
    sequence += 1
    return Piece(
      sequence: sequence, stream: stream, text: String(decoding: bytes, as: UTF8.self),
      skippedBytes: skipped.removeValue(forKey: stream) ?? 0)
  }

  private mutating func skipSome() {
    let stream = segments[0].stream
    skipped[stream, default: 0] += takeFront(MessageLimits.outputPieceBytes).count
  }

  /// Takes whole characters from the front, as many bytes at most.
  private mutating func takeFront(_ most: Int) -> ArraySlice<UInt8> {
    var front = segments[0].bytes.prefix(most)
    if front.count < segments[0].bytes.count { front = front.dropLast(TextRepair.incompleteSuffix(of: front)) }
    waiting -= front.count
    if front.count == segments[0].bytes.count { segments.removeFirst() } else { segments[0].bytes.removeFirst(front.count) }
    return front
  }
}
