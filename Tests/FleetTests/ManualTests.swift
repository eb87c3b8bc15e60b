import Foundation
import ServiceRuntime
import TestSupport
import Testing

@testable import spotctl

/// `--help`, manual pages and completions, as the programs print them and as man and the shells read them.
@Suite struct ManualTests {
  private static let programs = ["spot-optimizer-agent", "spot-optimizer-server", "spotctl"]

  @Test func everyCommandAndOptionOfTheTableIsInTheManualAndInEveryShellsCompletions() async throws {
    let manual = try await output("spotctl", "manual").replacing("\\-", with: "-")
    var scripts: [String: String] = [:]
    for shell in ProgramManual.Shell.allCases { scripts[shell.rawValue] = try await output("spotctl", "completions", shell.rawValue) }
    for spec in CommandSpec.all {
      #expect(manual.contains(".SS \"\(spec.path.joined(separator: " "))"), "\(spec.path)")
      #expect(scripts["fish"]?.contains("-a \(spec.path.last ?? "") ") == true, "\(spec.path)")
      #expect(scripts["zsh"]?.contains("'\(spec.path.last ?? ""):") == true, "\(spec.path)")
      for option in spec.options {
        #expect(manual.contains("\\fB\(option.name)"), "\(option.name)")
        #expect(scripts["zsh"]?.contains("'\(option.name)[") == true, "\(option.name)")
        #expect(
          scripts["fish"]?.contains(" \(spec.path.joined(separator: " "))' -l \(option.name.dropFirst(2)) ") == true, "\(option.name)")
        let typed = try await completed("spotctl", (spec.path + [option.name]).joined(separator: " "))
        #expect(typed.contains(option.name), "\(spec.path) \(option.name)")
      }
    }
  }

  @Test(arguments: [
    ("spotctl", "com", ["commands", "completions"]), ("spotctl", "commands se", ["send"]),
    ("spotctl", "migrate i", ["import"]), ("spotctl", "migrate --js", ["--json"]), ("spotctl", "migrate import --dry", ["--dry-run"]),
    ("spotctl", "commands list --status succ", ["succeeded"]), ("spotctl", "commands send web-1 ping --wait", ["--wait", "--wait-for"]),
    ("spotctl", "watch --int", ["--interval"]), ("spotctl", "completions f", ["fish"]), ("spotctl", "agents list --client --st", []),
    ("spot-optimizer-server", "--role w", ["worker"]), ("spot-optimizer-server", "--ro", ["--role"]),
    ("spot-optimizer-agent", "doc", ["doctor"]), ("spot-optimizer-agent", "doctor --js", ["--json"]),
    ("spot-optimizer-agent", "man", ["manual"]), ("spot-optimizer-agent", "--ver", ["--version"]),
  ])
  func bashCompletesWhatIsTyped(_ program: String, _ line: String, _ expected: [String]) async throws {
    #expect(try await completed(program, line) == expected)
  }

  @Test(arguments: programs)
  func shellsTakeTheCompletionsAndGroffTheManual(_ program: String) async throws {
    for shell in ["bash", "zsh", "fish"] {
      let script = try await output(program, "completions", shell)
      // bash is always there; the others where they are installed.
      let text = try await shellOutput("command -v \(shell) >/dev/null || exit 0; \(shell) -n \"$1\" 2>&1", script)
      #expect(text.isEmpty, "\(shell): \(text)")
    }
    let manual = try await output(program, "manual")
    // groff without macros of its own knows no man(7); the full one comes with man-db's recommendations.
    let warnings = try await shellOutput(
      "command -v man >/dev/null || exit 0; LC_ALL=C.UTF-8 MANWIDTH=100 man --warnings -E UTF-8 -l \"$1\" 2>&1 >/dev/null", manual)
    #expect(warnings.isEmpty, "\(warnings)")
    let errors = try await shellOutput("command -v mandoc >/dev/null || exit 0; mandoc -T lint -W error \"$1\" 2>&1", manual)
    #expect(errors.isEmpty, "\(errors)")
    for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "ENVIRONMENT"] {
      #expect(manual.contains(".SH \(section)") || manual.contains(".SH \"\(section)\""))
    }
  }

  @Test func helpOfAgentAndServerNamesEveryVariableThatTheManualNames() async throws {
    for program in ["spot-optimizer-agent", "spot-optimizer-server"] {
      let help = try await output(program, "--help")
      let variables = try await output(program, "manual").matches(of: /\\fB([A-Z][A-Z_]{3,})/).map { String($0.1) }
      #expect(variables.count > 10)
      for variable in variables { #expect(help.contains(variable), "\(program) \(variable)") }
      #expect(help.contains("Exit codes:") && help.hasPrefix("Usage: \(program)"))
    }
  }

  @Test func aShellThatNobodyKnowsIsRefused() async throws {
    for program in Self.programs {
      let refused = try await Program(program, ["completions", "csh"])
      #expect(try await refused.waitForExit() == .exited(2), "\(program)")
    }
  }

  private func output(_ program: String, _ arguments: String...) async throws -> String {
    let run = try await Program(program, arguments)
    try #require(try await run.waitForExit() == .exited(0), "\(run.output)")
    return run.output + "\n"
  }

  /// What a real bash offers at the end of a line.
  private func completed(_ program: String, _ line: String) async throws -> [String] {
    let script = try await output(program, "completions", "bash")
    let words = [program] + line.components(separatedBy: " ")
    let function = "_" + program.replacing("-", with: "_")
    return try await shellOutput(
      "source \"$1\"; COMP_WORDS=(\(words.map { "'\($0)'" }.joined(separator: " "))); COMP_CWORD=\(words.count - 1); \(function); printf '%s\\n' \"${COMPREPLY[@]}\"",
      script
    ).split(separator: "\n").map(String.init)
  }

  /// What bash prints for `code`, with a file of this content as `$1`.
  private func shellOutput(_ code: String, _ content: String) async throws -> String {
    let file = NSTemporaryDirectory() + "spot-optimizer-manual-\(UUID().uuidString)"
    try content.write(toFile: file, atomically: true, encoding: .utf8)
    defer { try? FileManager.default.removeItem(atPath: file) }  // Only litter is left if it fails.
    let run = try await Program.tool("/bin/bash", ["-c", code, "bash", file])
    try await run.waitForExit()
    return run.output
  }
}
