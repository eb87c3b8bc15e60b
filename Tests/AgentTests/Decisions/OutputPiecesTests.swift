import FleetProtocol
import Testing

@testable import Agent

@Suite struct OutputPiecesTests {
  private let start = ContinuousClock.now

  @Test func piecesAreNumberedOverBothStreamsAndGathered() {
    var pieces = OutputPieces(now: start)
    for text in ["a", "b\n"] { pieces.append(.standardOutput, Array(text.utf8)) }
    pieces.append(.standardError, Array("oops\n".utf8))
    pieces.append(.standardOutput, Array("c\n".utf8))
    let taken = pieces.take(now: start)
    #expect(taken.map(\.sequence) == [1, 2, 3])
    #expect(taken.map(\.stream) == [.standardOutput, .standardError, .standardOutput])
    #expect(taken.map(\.text) == ["ab\n", "oops\n", "c\n"] && taken.allSatisfy { $0.skippedBytes == 0 })
    #expect(pieces.isEmpty && pieces.take(now: start) == [])
  }

  @Test func noPieceIsLargerThanAMessageMayBeAndNoCharacterIsCut() {
    var pieces = OutputPieces(now: start)
    let text = "x" + String(repeating: "ä€𝄞", count: 5_000)
    pieces.append(.standardOutput, Array(text.utf8))
    let taken = pieces.take(now: start)
    #expect(taken.count > 2 && taken.allSatisfy { $0.text.utf8.count <= MessageLimits.outputPieceBytes })
    #expect(taken.map(\.text).joined() == text)
  }

  @Test func noMoreIsSentThanTheRateAllows() {
    var pieces = OutputPieces(now: start)
    var sent = 0
    for tenth in 0..<50 {
      pieces.append(.standardOutput, [UInt8](repeating: 0x61, count: 200_000))
      sent += pieces.take(now: start + .milliseconds(100 * tenth)).reduce(0) { $0 + $1.text.utf8.count }
    }
    // What may come at once, five seconds of the rate, and a piece.
    #expect(sent <= OutputPieces.capacity + 5 * OutputPieces.rate + MessageLimits.outputPieceBytes)
    #expect(sent >= 4 * OutputPieces.rate)
  }

  @Test func whatThereIsTooMuchOfIsLeftOutOldestFirstAndCounted() {
    var pieces = OutputPieces(now: start)
    pieces.append(.standardError, Array("first".utf8))
    var written = 0
    for _ in 0..<100 {
      pieces.append(.standardOutput, [UInt8](repeating: 0x61, count: 10_000))
      written += 10_000
    }
    pieces.append(.standardOutput, Array("last".utf8))
    written += 4
    pieces.append(.standardError, Array("end".utf8))
    let taken = pieces.take(now: start, all: true)
    let output = taken.filter { $0.stream == .standardOutput }
    #expect(output[0].skippedBytes > 0 && output.dropFirst().allSatisfy { $0.skippedBytes == 0 })
    #expect(output[0].skippedBytes + output.reduce(0) { $0 + $1.text.utf8.count } == written)
    #expect(output.last?.text.hasSuffix("last") == true)
    #expect(taken.last == OutputPieces.Piece(sequence: taken.count, stream: .standardError, text: "end", skippedBytes: 5))
  }
}
