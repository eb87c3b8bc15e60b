/// Everything that is to be said of a program's command line: the one table that `--help`, the manual page and the shells' completions are made from.
public struct ProgramManual: Sendable {
  /// Something with a name, and what it is.
  public struct Entry: Sendable {
    let name: String
    let text: String

    /// `HTTP_PORT`, and what it does.
    public init(_ name: String, _ text: String) {
      self.name = name
      self.text = text
    }
  }

  /// A word that begins with dashes.
  public struct Option: Sendable {
    let name: String
    let value: String?
    let help: String
    let choices: [String]

    /// `value` is the placeholder of its value (`FILE` and `DIR` are completed as such), `nil` for a switch; `choices` are the values that there are.
    public init(_ name: String, value: String? = nil, _ help: String, choices: [String] = []) {
      self.name = name
      self.value = value
      self.help = help
      self.choices = choices
    }

    var label: String { name + (value.map { " \($0)" } ?? "") }
  }

  /// A command of the program, of one word or two.
  public struct Subcommand: Sendable {
    let path: [String]
    let synopsis: String
    let summary: String
    let arguments: [Entry]
    let choices: [String]
    let options: [Option]
    let examples: [String]

    /// `synopsis` is the path with its arguments and options; `choices` are the values of the first argument, if there are so few.
    public init(
      path: [String], synopsis: String, summary: String, arguments: [Entry] = [], choices: [String] = [], options: [Option] = [],
      examples: [String] = []
    ) {
      self.path = path
      self.synopsis = synopsis
      self.summary = summary
      self.arguments = arguments
      self.choices = choices
      self.options = options
      self.examples = examples
    }
  }

  /// What is typed, `spotctl`.
  public let name: String
  /// The manual's section: 1 for everybody's commands, 8 for a system's services.
  public let section: Int
  /// What it is, in a few words.
  public let summary: String
  /// Command lines in short.
  public var synopses: [String]
  /// Paragraphs.
  public var description: [String] = []
  /// The commands, in the order of the help.
  public var subcommands: [Subcommand] = []
  /// The options of the program itself.
  public var options: [Option] = []
  /// The variables of the environment that it reads.
  public var variables: [Entry] = []
  /// What signals do, as a sentence.
  public var signals: String?
  /// The files it uses, as the packages lay them; not in `--help`.
  public var files: [Entry] = []
  /// What it says to its caller.
  public var exitCodes: [Entry] = []
  /// Whole command lines.
  public var examples: [String] = []
  /// Other manual pages, `spotctl(1)`.
  public var seeAlso: [String] = []

  /// A manual to be filled in.
  public init(name: String, section: Int, summary: String, synopses: [String]) {
    self.name = name
    self.section = section
    self.summary = summary
    self.synopses = synopses
  }

  /// The commands that a program without others has: `manual` and `completions`.
  public static let ownSubcommands: [Subcommand] = [
    Subcommand(path: ["manual"], synopsis: "manual", summary: "Print the manual page, for man -l -."),
    Subcommand(
      path: ["completions"], synopsis: "completions bash|zsh|fish", summary: "Print the completions of a shell, for its folder of them.",
      choices: Shell.allCases.map(\.rawValue)),
  ]
  /// The options that every program has.
  public static let ownOptions = [Option("--version", "Print the version."), Option("--help", "Print this.")]

  /// What `--help` prints, with a line break at its end.
  public var help: String {
    var lines = synopses.enumerated().map { ($0.offset == 0 ? "Usage: " : "       ") + "\(name) \($0.element)".trimmingWhitespace() } + [""]
    lines += description.flatMap { Self.wrapped($0, 118) }
    lines += section("Commands", subcommands.map { Entry($0.synopsis, $0.summary) })
    lines += section("Options", options.map { Entry($0.label, $0.help) })
    lines += section("Environment", variables)
    if let signals { lines += [""] + Self.wrapped(signals, 118) }
    lines += section("Exit codes", exitCodes)
    if !examples.isEmpty { lines += ["", "Examples:"] + examples.map { "  \($0)" } }
    return lines.joined(separator: "\n") + "\n"
  }

  /// What `--help` behind a command prints; empty when there is no such command.
  public func help(of path: [String]) -> String {
    guard let command = subcommands.first(where: { $0.path == path }) else { return "" }
    var lines = ["Usage: \(name) \(command.synopsis)", ""] + Self.wrapped(command.summary, 118)
    lines += section("Arguments", command.arguments) + section("Options", command.options.map { Entry($0.label, $0.help) })
    if !command.examples.isEmpty { lines += ["", "Examples:"] + command.examples.map { "  \($0)" } }
    return lines.joined(separator: "\n") + "\n"
  }

  private func section(_ title: String, _ entries: [Entry]) -> [String] {
    guard !entries.isEmpty else { return [] }
    let width = min(34, entries.map(\.name.count).max() ?? 0)
    return ["", "\(title):"]
      + entries.flatMap { entry in
        let text = Self.wrapped(entry.text, 116 - width)
        let indent = String(repeating: " ", count: width + 4)
        guard entry.name.count <= width else { return ["  \(entry.name)"] + text.map { indent + $0 } }
        return text.enumerated().map { index, line in
          index == 0 ? "  \(entry.name)\(String(repeating: " ", count: width - entry.name.count + 2))\(line)" : indent + line
        }
      }
  }

  private static func wrapped(_ text: String, _ width: Int) -> [String] {
    var lines = [""]
    for word in text.split(separator: " ") {
      let last = lines.count - 1
      if lines[last].isEmpty {
        lines[last] = String(word)
      } else if lines[last].count + 1 + word.count <= width {
        lines[last] += " \(word)"
      } else {
        lines.append(String(word))
      }
    }
    return lines
  }
}
