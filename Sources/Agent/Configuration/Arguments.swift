import ServiceRuntime

/// What the command line asks for. The agent itself has no options beside these: it is configured by its environment.
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
  /// `doctor`.
  case doctor(DoctorOptions)
  /// `doctor --help`.
  case doctorHelp
  /// An option without its value, with what is missing.
  case incomplete(String)
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
    case "doctor": self = Self.doctor(arguments.dropFirst())
    case .some(let argument): self = .unknown(argument)
    }
  }

  private static func doctor(_ arguments: ArraySlice<String>) -> Arguments {
    var options = DoctorOptions()
    var rest = arguments
    while let argument = rest.popFirst() {
      switch argument {
      case "--help", "-h": return .doctorHelp
      case "--json": options.isJSON = true
      case "--bundle":
        guard let file = rest.popFirst(), !file.isEmpty, !file.hasPrefix("--") else { return .incomplete("--bundle needs a FILE") }
        options.bundle = file
      case let text where text.hasPrefix("--bundle=") && text.count > "--bundle=".count:
        options.bundle = String(text.dropFirst("--bundle=".count))
      default: return .unknown(argument)
      }
    }
    return .doctor(options)
  }

  /// What `--help` prints.
  public static let usage = ProgramManual.agent.help
  /// What `doctor --help` prints.
  public static let doctorUsage = ProgramManual.agent.help(of: ["doctor"])
}
