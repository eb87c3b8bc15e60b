import ServiceRuntime

/// Which events somebody wants to hear of, as the broker's topic exchanges have it: `agent.*`, `command.failed`, `#`.
public struct EventPattern: Sendable, Equatable, CustomStringConvertible {
  /// Why a pattern cannot be used.
  public struct Problem: Error, Equatable, CustomStringConvertible {
    /// What is wrong and what would be right.
    public let description: String
  }

  /// Every event.
  public static let everything = EventPattern("#", EventType.allCases)

  /// The pattern as it was written, which is the key of a binding.
  public let description: String
  /// The known types that it fits.
  public let types: [EventType]

  private init(_ text: String, _ types: [EventType]) {
    description = text
    self.types = types
  }

  /// Reads a pattern: words with dots between them; `*` stands for one word, `#` for any number. One that fits no event there is would wait for ever in
  /// silence and is refused.
  public init(_ text: String) throws(Problem) {
    let words = text.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    for word in words where word != "*" && word != "#" {
      guard !word.isEmpty, word.utf8.allSatisfy({ (0x61...0x7a).contains($0) || $0 == 0x5f }) else {
        throw Problem(
          description:
            "the filter '\(printable(String(text.prefix(80))))' has the word '\(printable(String(word.prefix(40))))'; it is made of "
            + "words of a-z and _ with dots between them, * for any one word and # for any number, such as agent.*")
      }
    }
    let types = EventType.allCases.filter { Self.fits(words[...], $0.rawValue.split(separator: ".").map(String.init)[...]) }
    guard !types.isEmpty else {
      throw Problem(
        description: "the filter '\(printable(String(text.prefix(80))))' fits none of the events; there are: "
          + EventType.allCases.map(\.rawValue).joined(separator: ", "))
    }
    self.init(text, types)
  }

  /// A topic exchange's own rule (AMQP 0-9-1, 3.1.3.3).
  private static func fits(_ pattern: ArraySlice<String>, _ key: ArraySlice<String>) -> Bool {
    guard let first = pattern.first else { return key.isEmpty }
    if first == "#" { return fits(pattern.dropFirst(), key) || (!key.isEmpty && fits(pattern, key.dropFirst())) }
    guard let word = key.first, first == "*" || first == word else { return false }
    return fits(pattern.dropFirst(), key.dropFirst())
  }
}
