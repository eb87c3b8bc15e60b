import ServiceRuntime

/// What the command line asks for. The agent has no options beside these: it is configured by its environment.
public enum Arguments: Equatable, Sendable {
  /// No argument: run.
  case run
  /// `--help` or `-h`.
  case help
  /// `--version`.
  case version
  /// `manual`: the manual page.
  case manual
  /// `completions SHELL`.
  case completions(ProgramManual.Shell)
  /// Anything else, with what to say.
  case unknown(String)

  /// Reads the arguments after the program's name.
  public init(_ arguments: [String]) {
    switch arguments.first {
    case nil: self = .run
    case "--help", "-h": self = .help
    case "--version": self = .version
    case "manual": self = .manual
    case "completions":
      let word = arguments.dropFirst().first ?? "completions"
      self = ProgramManual.Shell(rawValue: word).map { .completions($0) } ?? .unknown(word)
    case .some(let argument): self = .unknown(argument)
    }
  }

  /// What `--help` prints.
  public static let usage = ProgramManual.agent.help
}
