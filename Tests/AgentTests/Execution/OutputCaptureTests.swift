import FleetProtocol
import ServiceRuntime
import Testing

@testable import Agent

/// One after the other: they compute for long, and would leave other tests no thread.
@Suite(.serialized) struct OutputCaptureTests {
  private func captured(_ output: [UInt8], _ error: [UInt8] = [], pieces: Int = 64 * 1024) -> (
    output: CapturedOutput, error: CapturedOutput
  ) {
    var capture = OutputCapture()
    for (stream, bytes) in [(CommandOutput.Stream.standardOutput, output), (.standardError, error)] {
      var rest = bytes[...]
      while !rest.isEmpty {
        _ = capture.take(rest.prefix(pieces), from: stream)
        rest = rest.dropFirst(pieces)
      }
      _ = capture.end(stream)
    }
    return capture.result()
  }

  /// What a result needs to carry is what it may.
  private func expectToFit(_ result: (output: CapturedOutput, error: CapturedOutput)) throws {
    let now = Timestamp.now()
    _ = try WireCoding.encode(
      CommandResult(
        commandID: "c", agentID: "a", status: .failed, standardOutput: result.output.text, standardError: result.error.text,
        error: String(repeating: "\u{1}", count: MessageLimits.errorBytes), startedAt: now, finishedAt: now, sentAt: now))
    #expect(result.output.text.utf8.count + result.error.text.utf8.count <= MessageLimits.outputBytes)
  }

  @Test func whatFitsIsKeptAsItIs() throws {
    let half = [UInt8](repeating: UInt8(ascii: "x"), count: MessageLimits.outputBytes / 2)
    let result = captured(half + half)
    #expect(result.output.text.utf8.elementsEqual(half + half) && result.output.bytes == MessageLimits.outputBytes)
    #expect(result.error == .none)
    try expectToFit(result)
    let both = captured(half, half)
    #expect(both.output.text.utf8.count == half.count && both.error.text.utf8.count == half.count)
    try expectToFit(both)
  }

  @Test func ofALongTextTheBeginningAndTheEndAreKeptAndTheRestIsCounted() throws {
    let lines = (0..<400_000).map { "line \($0)\n" }.joined()
    let result = captured(Array(lines.utf8))
    #expect(result.output.bytes == lines.utf8.count)
    #expect(result.output.text.hasPrefix("line 0\nline 1\n") && result.output.text.hasSuffix("line 399999\n"))
    let notice = try #require(result.output.text.firstMatch(of: /\n\[… ([0-9]+) bytes cut …\]\n/))
    let kept = result.output.text.utf8.count - "[…  bytes cut …]\n".utf8.count - notice.1.utf8.count
    let cut = try #require(Int(notice.1))
    // A line break is added when the cut is inside a line.
    #expect([kept, kept - 1].contains(lines.utf8.count - cut))
    #expect(result.output.text.utf8.count > MessageLimits.outputBytes - 200)
    try expectToFit(result)
  }

  @Test func aStreamHasWhatTheOtherDoesNotNeed() throws {
    let flood = [UInt8](repeating: UInt8(ascii: "x"), count: 3 << 20)
    let result = captured(flood, Array("a short error\n".utf8))
    #expect(result.error.text == "a short error\n")
    #expect(result.output.text.utf8.count > MessageLimits.outputBytes - 200)
    try expectToFit(result)
    let both = captured(flood, flood)
    #expect(both.output.text.utf8.count == both.error.text.utf8.count && both.output.text.utf8.count > MessageLimits.outputBytes / 2 - 200)
    try expectToFit(both)
  }

  @Test(
    arguments: [[0x01], [0x0a], [0x00], [0xff], [0x22], Array("🙂".utf8), Array("ä".utf8), [0x1b, 0x5b, 0x33, 0x31, 0x6d]] as [[UInt8]])
  func whateverIsWrittenFitsIntoAResult(_ unit: [UInt8]) throws {
    var flood = unit
    while flood.count < 600_000 { flood += flood }
    let result = captured(flood, flood, pieces: 65_521)
    #expect(result.output.bytes == flood.count)
    for text in [result.output.text, result.error.text] {
      #expect(text.utf8.count > MessageLimits.outputBytes / 8 && !text.utf8.contains(0))
      #expect(text.contains(/bytes cut …\]/))
    }
    try expectToFit(result)
  }

  @Test func charactersAreWholeWhereverAReadOrACutFallsInBetween() {
    let text = String(repeating: "aä€🙂", count: 200_000)
    for size in [1009, 65_536] {
      let result = captured(Array(text.utf8), pieces: size)
      #expect(!result.output.text.contains("\u{fffd}"))
      #expect(result.output.text.hasPrefix("aä€🙂aä€🙂") && result.output.text.hasSuffix("aä€🙂"))
    }
  }

  @Test func whatIsNoTextIsReplaced() {
    #expect(captured([0xff, 0x61, 0x00, 0x62, 0xc3]).output == CapturedOutput(text: "\u{fffd}a\u{fffd}b\u{fffd}", bytes: 5))
    #expect(captured([0xe2, 0x82], [0xac]).output.text == "\u{fffd}")
    #expect(captured(Array("€".utf8), pieces: 1).output.text == "€")
    #expect(captured([0xed, 0xa0, 0x80], pieces: 1).output.text.contains("\u{fffd}"))
  }

  /// The standard library's own repair is the measure.
  @Test func bytesOfAllKindsAreRepairedAsTheStandardLibraryDoes() {
    var generator = SystemRandomNumberGenerator()
    // Bytes that often make nearly valid characters.
    let likely: [UInt8] = [
      0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc2, 0xdf, 0xe0, 0xe2, 0xed, 0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xff,
    ]
    for _ in 0..<2000 {
      let bytes = (0..<Int.random(in: 1...12, using: &generator)).map { _ in likely[Int.random(in: 0..<likely.count, using: &generator)] }
      #expect(captured(bytes).output.text == String(decoding: bytes, as: UTF8.self), "\(bytes)")
      #expect(captured(bytes, pieces: 1).output.text == String(decoding: bytes, as: UTF8.self), "\(bytes)")
    }
  }

  @Test func liveOutputComesInWholeCharactersThatFitIntoAMessage() throws {
    var capture = OutputCapture()
    let text = Array(String(repeating: "€", count: 20_000).utf8)
    let pieces = capture.take(text[..<50_000], from: .standardOutput) + capture.take(text[50_000...], from: .standardOutput)
    #expect(Array(pieces.joined()) == text)
    for piece in pieces {
      #expect(piece.count <= MessageLimits.outputPieceBytes && String(validating: piece, as: UTF8.self) != nil)
    }
    #expect(capture.take([0xe2], from: .standardError).isEmpty && capture.end(.standardError) == [Array("\u{fffd}".utf8)])
  }

  @Test func memoryDoesNotGrowWithTheOutput() {
    var capture = StreamCapture()
    let piece = [UInt8](repeating: UInt8(ascii: "x"), count: 64 * 1024)
    for _ in 0..<2000 { capture.append(piece) }
    #expect(capture.size.bytes == StreamCapture.limit)
    #expect(capture.text(in: OutputCapture.room).contains("bytes cut"))
  }
}
