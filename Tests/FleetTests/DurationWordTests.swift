import Testing

@testable import spotctl

/// Time spans on the command line.
@Suite struct DurationWordTests {
  private func problem(_ text: String, in range: ClosedRange<Int> = 1...86_400) -> String {
    do throws(UsageError) {
      return "taken as \(try DurationWord.parse(text, "--timeout", in: range))"
    } catch {
      return error.problem
    }
  }

  @Test func unitsAreLettersAndSecondsNeedNone() throws {
    for (text, seconds) in [("90", 90), ("90s", 90), ("10m", 600), ("1h", 3600), ("2d", 172_800), ("0", 0), ("007s", 7)] {
      #expect(try DurationWord.parse(text, "--timeout", in: 0...1_000_000) == .seconds(seconds))
    }
    for (seconds, text) in [(0, "0s"), (1, "1s"), (90, "90s"), (600, "10m"), (3600, "1h"), (172_800, "2d"), (90_000, "25h")] {
      #expect(DurationWord.shown(seconds) == text)
    }
  }

  @Test func whatIsNoTimeIsNamedWithTheWayOut() {
    for text in ["", "s", "-5s", "1.5h", "1h30m", "1 h", "soon", "5ms", "٣s", "1H"] {
      #expect(problem(text).contains("--timeout is '\(text)'; it must be a time such as 90s, 10m, 1h or 2d"), "\(text)")
    }
    #expect(problem("25h").contains("is '25h'; it must be from 1s to 1d"))
    #expect(problem("0").contains("it must be from 1s to 1d"))
    #expect(problem("99999999999999999d").contains("it must be from 1s to 1d"))
  }

  @Test func anOptionThatIsNotThereIsNone() throws {
    #expect(try Invocation(path: []).duration("--timeout", in: 1...9) == nil)
    #expect(try Invocation(path: [], values: ["--timeout": "2m"]).duration("--timeout", in: 1...900) == .seconds(120))
  }
}
