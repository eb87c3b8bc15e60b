import FleetProtocol
import ServiceRuntime
import Testing

@testable import spotctl

/// What `--follow` shows of pieces that come in order, with gaps, and what it adds at the end.
@Suite struct FollowedOutputTests {
  private func piece(_ sequence: Int, _ text: String, _ stream: CommandOutput.Stream = .standardOutput, skipped: Int = 0) -> CommandOutput {
    CommandOutput(
      commandID: "c", agentID: "a", sequence: sequence, stream: stream, text: text, skippedBytes: skipped, sentAt: Timestamp(seconds: 1))
  }

  private func remarks(_ parts: [FollowedOutput.Part]) -> [String] {
    parts.compactMap { if case .remark(let text) = $0 { text } else { nil } }
  }

  @Test func piecesInOrderAreShownAndTheEndAddsWhatIsMissing() {
    var output = FollowedOutput(of: "c")
    #expect(output.take(piece(1, "one\n")) == [.text(.standardOutput, "one\n")])
    #expect(output.take(piece(2, "oops\n", .standardError)) == [.text(.standardError, "oops\n")])
    #expect(output.take(piece(2, "oops\n", .standardError)).isEmpty, "a piece is shown once")
    #expect(output.remainder(.standardOutput, kept: "one\ntwo\n") == [.text(.standardOutput, "two\n")])
    #expect(output.remainder(.standardError, kept: "oops\n").isEmpty)
    #expect(output.remainder(.standardError, kept: nil).isEmpty)
  }

  @Test func whatNeverCameIsShownWholeAtTheEnd() {
    let output = FollowedOutput(of: "c")
    #expect(output.remainder(.standardOutput, kept: "all of it") == [.text(.standardOutput, "all of it")])
  }

  @Test func gapsAreSaidAndTheEndGoesOnBehindThem() {
    var output = FollowedOutput(of: "c")
    _ = output.take(piece(1, "a\n"))
    let parts = output.take(piece(4, "line 9\n"))
    #expect(parts.last == .text(.standardOutput, "line 9\n"))
    #expect(remarks(parts) == ["2 pieces of the output did not arrive here; the whole: spotctl commands output c"])
    #expect(output.remainder(.standardOutput, kept: "a\nb\nc\nline 9\nlast\n") == [.text(.standardOutput, "last\n")])
    #expect(remarks(output.remainder(.standardOutput, kept: "something else")).count == 1)
    // Nothing of this stream was shown: the lost pieces may have been its, and all of it is there now.
    #expect(output.remainder(.standardError, kept: "e\n") == [.text(.standardError, "e\n")])
  }

  @Test func aGapBehindAllThatWasShownIsFilledAtTheEnd() {
    var output = FollowedOutput(of: "c")
    _ = output.take(piece(1, "a\n"))
    _ = output.take(piece(3, "oops\n", .standardError))
    #expect(output.remainder(.standardOutput, kept: "a\nb\na\n") == [.text(.standardOutput, "b\na\n")])
  }

  @Test func skippedBytesAreSaidWithTheirNumber() {
    var output = FollowedOutput(of: "c")
    let parts = output.take(piece(1, "end\n", skipped: 5000))
    #expect(remarks(parts).first?.contains("5000 bytes of stdout were left out") == true)
    #expect(output.remainder(.standardOutput, kept: "long ago\nend\n").isEmpty)
  }

  @Test func anOutputWhoseMiddleWasCutGoesOnBehindWhatWasShown() {
    var output = FollowedOutput(of: "c")
    _ = output.take(piece(1, "begin\nmiddle\nalmost\n"))
    #expect(output.remainder(.standardOutput, kept: "begin\n[… 7 bytes cut …]\nalmost\nend\n").count == 1)
    var longer = FollowedOutput(of: "c")
    let shown = String(repeating: "x", count: 9000) + String((0..<600).map { "line \($0)\n" }.joined())
    _ = longer.take(piece(1, shown))
    let kept = "xxx[… 8997 bytes cut …]\n" + String(shown.suffix(5000)) + "end\n"
    #expect(longer.remainder(.standardOutput, kept: kept) == [.text(.standardOutput, "end\n")])
  }

  @Test func anotherStartBeginsAnew() {
    var output = FollowedOutput(of: "c")
    _ = output.take(piece(1, "first"))
    _ = output.take(piece(2, "run"))
    let parts = output.take(piece(1, "second"))
    #expect(remarks(parts).count == 1 && parts.last == .text(.standardOutput, "second"))
    #expect(output.remainder(.standardOutput, kept: "second run") == [.text(.standardOutput, " run")])
  }

  @Test func aTerminalsCursorIsNotMoved() {
    let bell = "\u{7}"
    let shown = CommandText.harmless("a\tb\r\nc\u{1b}[2Jd\re\(bell)f\n")
    #expect(shown == "a\tb\nc\\u{1b}[2Jd\\re\\u{7}f\n")
  }
}
