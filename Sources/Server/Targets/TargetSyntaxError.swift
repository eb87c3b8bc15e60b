import ServiceRuntime

/// A target that cannot be understood: where, why, and what was expected there.
public struct TargetSyntaxError: Error, Equatable, CustomStringConvertible {
  /// The whole text.
  public let text: String
  /// Where the trouble begins, in code points from 0.
  public let offset: Int
  /// What is wrong and what would be right, one line.
  public let problem: String

  init(text: String, offset: Int, problem: String) {
    self.text = text
    self.offset = offset
    self.problem = problem
  }

  /// Characters of the text that are shown before and behind the place.
  private static let surroundings = 50

  /// Three lines: what is wrong, the text (or the part of it round the place), and a caret under the place.
  public var description: String {
    let start = max(0, offset - Self.surroundings)
    let scalars = text.unicodeScalars
    let before = (start > 0 ? "…" : "") + printable(String(scalars.dropFirst(start).prefix(offset - start)))
    let rest = scalars.dropFirst(offset)
    let behind = printable(String(rest.prefix(Self.surroundings))) + (rest.count > Self.surroundings ? "…" : "")
    return
      "the target is wrong at character \(offset + 1): \(problem)\n  \(before)\(behind)\n  \(String(repeating: " ", count: before.count))^"
  }
}
