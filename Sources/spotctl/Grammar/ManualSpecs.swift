import Glibc
import ServiceRuntime

extension CommandSpec {
  /// What is made from the table of commands.
  static let manual: [CommandSpec] = [
    CommandSpec(
      path: ["completions"], summary: "Print the completions of a shell, for its folder of them.",
      arguments: [Argument(name: "SHELL", help: "One of \(ProgramManual.Shell.allCases.map(\.rawValue).joined(separator: ", ")).")],
      examples: ["spotctl completions bash | tee /etc/bash_completion.d/spotctl", "spotctl completions fish | source"],
      work: .alone { invocation, _, _ in
        let word = invocation.arguments["SHELL"] ?? ""
        guard let shell = ProgramManual.Shell(rawValue: word) else {
          throw UsageError("SHELL is '\(printable(word))'; it must be bash, zsh or fish", path: invocation.path)
        }
        writeFully(ProgramManual.spotctl.completions(shell), to: STDOUT_FILENO)
      }),
    CommandSpec(
      path: ["manual"], summary: "Print the manual page.", examples: ["spotctl manual | man -l -"],
      work: .alone { _, _, _ in writeFully(ProgramManual.spotctl.manualPage, to: STDOUT_FILENO) }),
  ]
}

extension ProgramManual {
  /// The tool's, from the table of its commands.
  static let spotctl: ProgramManual = {
    var manual = ProgramManual(
      name: "spotctl", section: 1, summary: "the operator's tool of Spot Optimizer", synopses: ["COMMAND [OPTIONS]", "--help | --version"])
    manual.description = [
      "Works on the database and the broker of spot-optimizer-server, and reads the same environment. Every command has --help with examples, and most have --json, which prints a JSON array for programs."
    ]
    manual.subcommands = CommandSpec.all.map { spec in
      Subcommand(
        path: spec.path, synopsis: spec.synopsis, summary: spec.summary, arguments: spec.arguments.map { Entry($0.name, $0.help) },
        choices: spec.path == ["completions"] ? Shell.allCases.map(\.rawValue) : [],
        options: spec.options.map { Option($0.name, value: $0.value, $0.help, choices: $0.choices) }, examples: spec.examples)
    }
    manual.options = ownOptions
    manual.variables = [
      Entry("DB_HOST, DB_PORT, DB_USER, DB_PASSWORD, DB_NAME, DB_SSL_CA", "the database, as in spot-optimizer-server(8)"),
      Entry("AMQP_URL, AMQP_CA_FILE", "the broker, to wake the dispatchers, and to follow"),
      Entry("SPOT_OPTIMIZER_KEYS_DIR", "the folder that keys create writes to (default: /etc/spot-optimizer/keys)"),
    ]
    manual.exitCodes = ExitCode.allCases.map { Entry("\($0.rawValue)", $0.meaning) }
    manual.seeAlso = ["spot-optimizer-server(8)", "spot-optimizer-agent(8)"]
    return manual
  }()
}
