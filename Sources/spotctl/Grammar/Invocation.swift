import ServiceRuntime

/// A command line that was understood.
struct Invocation: Sendable, Equatable {
  /// The command's name: `["agents", "list"]`.
  let path: [String]
  /// Arguments by their names: `AGENT`.
  var arguments: [String: String] = [:]
  /// The words of the argument that takes all that are left.
  var words: [String] = []
  /// Values of options by their names: `--client`.
  var values: [String: String] = [:]
  /// Switches that were given: `--wait`.
  var switches: Set<String> = []

  /// A whole number of an option, in a range; where the option has words for some numbers (`PriorityWord`), one of them will do.
  func integer(_ option: String, default fallback: Int, in range: ClosedRange<Int>) throws(UsageError) -> Int {
    guard let text = values[option] else { return fallback }
    let words = option == PriorityWord.option ? PriorityWord.allCases : []
    if let word = words.first(where: { $0.rawValue == text }) { return word.number }
    guard let number = Int(text), range.contains(number) else {
      let choice = words.isEmpty ? "" : ", or \(words.map(\.rawValue).joined(separator: ", "))"
      throw UsageError(
        "\(option) is '\(printable(text))'; it must be a whole number from \(range.lowerBound) to \(range.upperBound)\(choice)", path: path)
    }
    return number
  }
}

/// A command line that means nothing: what is wrong with it, and where to read on.
struct UsageError: Error, Equatable, CustomStringConvertible {
  let problem: String
  /// The command whose help tells more; empty for the tool's.
  var path: [String] = []

  init(_ problem: String, path: [String] = []) {
    self.problem = problem
    self.path = path
  }

  var description: String { "\(problem)\nTry: \((["spotctl"] + path + ["--help"]).joined(separator: " "))" }
}

/// What a command line asks for.
enum Request: Sendable, Equatable {
  case run(Invocation)
  /// The help of what this path names: nothing (the tool), a group or a command.
  case help([String])
}
