/// What the tool says to the shell.
enum ExitCode: Int32, Sendable, CaseIterable {
  case done = 0
  case failed = 1
  case usage = 2
  case notFound = 3
  case timedOut = 4
  case cannotReach = 5

  /// For the help.
  var meaning: String {
    switch self {
    case .done: "done"
    case .failed: "failed, or the command that was waited for failed"
    case .usage: "the command line or the environment is wrong"
    case .notFound: "no such client, agent or command"
    case .timedOut: "not ended in time; it may still end"
    case .cannotReach: "the database cannot be reached, or the broker where it is needed"
    }
  }
}

/// A command that was followed has ended, and the tool ends as it did; everything was said.
struct CommandsOwnEnd: Error {
  let exitCode: Int32
}

/// Why the tool ends without having done what it was asked.
struct Failure: Error, Equatable, CustomStringConvertible {
  let code: ExitCode
  let description: String

  init(_ code: ExitCode, _ description: String) {
    self.code = code
    self.description = description
  }
}
