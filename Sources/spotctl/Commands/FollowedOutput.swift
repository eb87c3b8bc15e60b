import FleetProtocol

/// What is shown of a command's output while its pieces come, and at the end what its result has beyond that. A value without broker or terminal.
struct FollowedOutput: Sendable {
  /// Something to be shown.
  enum Part: Sendable, Equatable {
    /// Output, for the tool's stream of the same name.
    case text(CommandOutput.Stream, String)
    /// For the person, on standard error.
    case remark(String)
  }

  /// One of the two streams.
  private struct Stream: Sendable {
    /// Bytes shown.
    var shown = 0
    /// The end of what was shown without a gap: by this its place in the whole output is found, when there was a gap before it.
    var tail: [UInt8] = []
    /// Whether something before the tail was not shown.
    var isBroken = false
    /// Whether something after the tail was not shown.
    var hasGap = false

    mutating func show(_ text: String) {
      if hasGap {
        (isBroken, hasGap, tail) = (true, false, [])
      }
      shown += text.utf8.count
      tail += text.utf8
      if tail.count > FollowedOutput.tailBytes { tail.removeFirst(tail.count - FollowedOutput.tailBytes) }
    }
  }

  private static let tailBytes = 4096

  private let commandID: String
  private var last = 0
  private var streams: [CommandOutput.Stream: Stream] = [.standardOutput: Stream(), .standardError: Stream()]

  /// Nothing has come yet.
  init(of commandID: String) { self.commandID = commandID }

  /// Takes a piece, in the order of its coming.
  mutating func take(_ piece: CommandOutput) -> [Part] {
    var parts: [Part] = []
    if piece.sequence == 1, last > 0 {
      parts.append(.remark("the command was started again; its output begins anew"))
      self = FollowedOutput(of: commandID)
    }
    guard piece.sequence > last else { return parts }
    let missing = piece.sequence - last - 1
    last = piece.sequence
    if missing > 0 {
      // Of which stream they were is not known.
      for stream in CommandOutput.Stream.allCases { streams[stream]?.hasGap = true }
      parts.append(.remark("\(missing) \(missing == 1 ? "piece" : "pieces") of the output did not arrive here; \(whole)"))
    }
    if piece.skippedBytes > 0 {
      streams[piece.stream]?.hasGap = true
      parts.append(
        .remark(
          "\(piece.skippedBytes) bytes of \(piece.stream.rawValue) were left out, for the command writes faster than output is sent; \(whole)"
        ))
    }
    streams[piece.stream]?.show(piece.text)
    parts.append(.text(piece.stream, piece.text))
    return parts
  }

  /// What the kept output of a stream has beyond what was shown of it.
  func remainder(_ stream: CommandOutput.Stream, kept: String?) -> [Part] {
    guard let kept, !kept.isEmpty, let state = streams[stream] else { return [] }
    let bytes = Array(kept.utf8)
    guard let end = Self.end(of: state, in: bytes) else {
      return [.remark("what was not shown of \(stream.rawValue) cannot be told from what was; \(whole)")]
    }
    return end == bytes.count ? [] : [.text(stream, String(decoding: bytes[end...], as: UTF8.self))]
  }

  private var whole: String { "the whole: spotctl commands output \(commandID)" }

  /// Where in the kept output that which was shown ends.
  private static func end(of stream: Stream, in bytes: [UInt8]) -> Int? {
    let tail = stream.tail
    if !stream.isBroken, stream.shown <= bytes.count, bytes[..<stream.shown].suffix(tail.count).elementsEqual(tail) { return stream.shown }
    // The last place that reads so: the output's middle may be cut, and pieces be missing.
    guard !tail.isEmpty, tail.count <= bytes.count else { return nil }
    for start in stride(from: bytes.count - tail.count, through: 0, by: -1) where bytes[start] == tail[0] {
      if bytes[start..<(start + tail.count)].elementsEqual(tail) { return start + tail.count }
    }
    return nil
  }
}
