/// A message that cannot be used: which of its fields, and what is wrong with it.
public struct MessageError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The JSON name of the field, with a path where it lies deeper (`config.replica_count`, `monitored_instances[3]`), or `body`.
  public let field: String
  /// What is wrong, in words that follow the field's name.
  public let problem: String

  /// An error about `field`.
  public init(field: String, problem: String) {
    self.field = field
    self.problem = problem
  }

  /// One line for a log, a dead letter's reason or an error notice.
  public var description: String { "\(field) \(problem)" }
}
