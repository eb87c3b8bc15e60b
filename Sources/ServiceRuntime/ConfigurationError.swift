/// A setting that cannot be used: which one, what it was, what is wrong with it and what to do.
public struct ConfigurationError: Error, Equatable, CustomStringConvertible {
  /// The variable's (or argument's) name.
  public let name: String
  /// What is wrong, with the value as far as it may be shown.
  public let problem: String
  /// What the reader can do about it.
  public let remedy: String

  /// An error about the setting `name`.
  public init(name: String, problem: String, remedy: String) {
    self.name = name
    self.problem = problem
    self.remedy = remedy
  }

  /// One line for a log or a terminal.
  public var description: String { "\(name) \(problem); \(remedy)" }
}
