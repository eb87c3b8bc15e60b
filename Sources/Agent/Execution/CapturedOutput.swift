/// What a program wrote to one of its streams.
struct CapturedOutput: Sendable, Equatable {
  /// Nothing.
  static let none = CapturedOutput(text: "", bytes: 0)

  /// UTF-8 without NUL, repaired; its middle may be cut, which a line in that place says.
  let text: String
  /// Bytes the program wrote.
  let bytes: Int
}
