extension ProgramManual {
  /// The shells that there are completions for.
  public enum Shell: String, CaseIterable, Sendable { case bash, zsh, fish }

  /// The completions, as the shell reads them.
  public func completions(_ shell: Shell) -> String {
    switch shell {
    case .bash: bashCompletions
    case .zsh: zshCompletions
    case .fish: fishCompletions
    }
  }

  /// What one may type in a place: commands of a group (the empty one is the program), in their order.
  private func next(after group: [String]) -> [Entry] {
    var entries: [Entry] = []
    for command in subcommands where command.path.starts(with: group) && command.path.count > group.count {
      let word = command.path[group.count]
      let isLeaf = command.path.count == group.count + 1
      if !entries.contains(where: { $0.name == word }) { entries.append(Entry(word, isLeaf ? command.summary : "Commands for \(word).")) }
    }
    return entries
  }

  private var groups: [[String]] {
    var groups: [[String]] = []
    for command in subcommands where command.path.count == 2 && !groups.contains([command.path[0]]) { groups.append([command.path[0]]) }
    return groups
  }

  /// The longer ones first: a command of one word takes whatever follows, and some begin with one (`migrate`, `migrate import`).
  private var longestFirst: [Subcommand] { subcommands.filter { $0.path.count > 1 } + subcommands.filter { $0.path.count == 1 } }

  private func allOptions(_ command: Subcommand) -> [Option] {
    command.options.filter { $0.name != "--help" } + [Option("--help", "Print the command's help.")]
  }

  private var function: String { "_" + name.replacing("-", with: "_") }

  // MARK: - bash

  private var bashCompletions: String {
    var lines = [
      "# bash completion for \(name), printed by `\(name) completions bash`.", "\(function)() {",
      "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} first= second= word words= i",
      "  for ((i = 1; i < COMP_CWORD; i++)); do", "    word=${COMP_WORDS[i]}", "    [[ $word == -* ]] && break",
      "    if [[ -z $first ]]; then first=$word; elif [[ -z $second ]]; then second=$word; else break; fi", "  done", "  COMPREPLY=()",
      "  case \"$first $second\" in",
    ]
    for command in longestFirst {
      let pattern = command.path.count == 2 ? "'\(command.path.joined(separator: " "))'" : "'\(command.path[0]) '*"
      lines.append("    \(pattern))")
      lines += bashValues(command.options)
      let words = (command.path.count == 1 ? next(after: command.path).map(\.name) : []) + command.choices + allOptions(command).map(\.name)
      lines.append("      words='\(words.joined(separator: " "))'")
      lines.append("      ;;")
    }
    for group in groups {
      lines.append("    '\(group[0]) '*) words='\((next(after: group).map(\.name) + ["--help"]).joined(separator: " "))' ;;")
    }
    lines.append("    ' ')")
    lines += bashValues(options)
    lines.append("      words='\((next(after: []).map(\.name) + options.map(\.name)).joined(separator: " "))'")
    lines += [
      "      ;;", "  esac", "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")", "}", "complete -F \(function) \(name)",
    ]
    return lines.joined(separator: "\n") + "\n"
  }

  private func bashValues(_ options: [Option]) -> [String] {
    let valued = options.filter { $0.value != nil }
    guard !valued.isEmpty else { return [] }
    return ["      case $prev in"]
      + valued.map { option in
        let list: String
        if !option.choices.isEmpty {
          list = "mapfile -t COMPREPLY < <(compgen -W '\(option.choices.joined(separator: " "))' -- \"$cur\"); "
        } else {
          list = ["FILE": "f", "DIR": "d"][option.value ?? ""].map { "mapfile -t COMPREPLY < <(compgen -\($0) -- \"$cur\"); " } ?? ""
        }
        return "        \(option.name)) \(list)return ;;"
      } + ["      esac"]
  }

  // MARK: - zsh

  private var zshCompletions: String {
    var lines = [
      "#compdef \(name)", "# zsh completion for \(name), printed by `\(name) completions zsh`.", "\(function)() {", "  local -a commands",
      "  if (( CURRENT == 2 )) && [[ ${words[2]} != -* ]]; then",
    ]
    lines += zshCommands(next(after: [])) + ["    return", "  fi"]
    for group in groups {
      lines.append("  if (( CURRENT == 3 )) && [[ ${words[2]} == \(group[0]) && ${words[3]} != -* ]]; then")
      lines += zshCommands(next(after: group)) + ["    return", "  fi"]
    }
    lines.append("  case \"${words[2]} ${words[3]}\" in")
    for command in longestFirst {
      let pattern = command.path.count == 2 ? "'\(command.path.joined(separator: " "))'" : "'\(command.path[0]) '*"
      lines.append("    \(pattern))")
      lines.append("      shift \(command.path.count) words; (( CURRENT -= \(command.path.count) ))")
      var specs = allOptions(command).map(zshOption)
      specs.append(command.choices.isEmpty ? "'*:argument: '" : "'1:value:(\(command.choices.joined(separator: " ")))'")
      lines.append("      _arguments \(specs.joined(separator: " "))")
      lines.append("      ;;")
    }
    lines.append("    *) \(options.isEmpty ? ":" : "_arguments \(options.map(zshOption).joined(separator: " "))") ;;")
    lines += ["  esac", "}", "if [[ $funcstack[1] == \(function) ]]; then \(function) \"$@\"; else compdef \(function) \(name); fi"]
    return lines.joined(separator: "\n") + "\n"
  }

  private func zshCommands(_ entries: [Entry]) -> [String] {
    ["    commands=("] + entries.map { "      '\($0.name):\(Self.quotable($0.text))'" } + [
      "    )", "    _describe -t commands command commands",
    ]
  }

  private func zshOption(_ option: Option) -> String {
    let help = Self.quotable(option.help).replacing("[", with: "\\[").replacing("]", with: "\\]")
    guard let value = option.value else { return "'\(option.name)[\(help)]'" }
    let action =
      !option.choices.isEmpty
      ? "(\(option.choices.joined(separator: " ")))" : ["FILE": "_files", "DIR": "_files -/"][value] ?? " "
    return "'\(option.name)[\(help)]:\(value):\(action)'"
  }

  // MARK: - fish

  private var fishCompletions: String {
    let helper = "_" + function
    var lines = [
      "# fish completion for \(name), printed by `\(name) completions fish`.",
      "# Whether the words before the cursor begin with these (is), or are these and no more (at).", "function \(helper)_is",
      "    set -l words (commandline -opc)", "    set -e words[1]",
      "    test \"$words[1]\" = \"$argv\"; or test \"$words[1..2]\" = \"$argv\"", "end", "function \(helper)_at",
      "    set -l words (commandline -opc)",
      "    set -e words[1]", "    test \"$words\" = \"$argv\"", "end", "complete -c \(name) -f",
    ]
    for group in [[]] + groups {
      for entry in next(after: group) {
        lines.append(
          "complete -c \(name) -n '\(([helper + "_at"] + group).joined(separator: " "))' -a \(entry.name) -d '\(Self.quotable(entry.text))'"
        )
      }
    }
    for option in options { lines.append(fishOption(option, "\(helper)_at")) }
    for command in subcommands {
      let condition = "\(helper)_is \(command.path.joined(separator: " "))"
      for option in allOptions(command) { lines.append(fishOption(option, condition)) }
      if !command.choices.isEmpty {
        lines.append("complete -c \(name) -n '\(condition)' -a '\(command.choices.joined(separator: " "))'")
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private func fishOption(_ option: Option, _ condition: String) -> String {
    var line = "complete -c \(name) -n '\(condition)' -l \(option.name.drop { $0 == "-" }) -d '\(Self.quotable(option.help))'"
    if let value = option.value {
      line += ["FILE", "DIR"].contains(value) ? " -r -F" : " -x"
      if !option.choices.isEmpty { line += " -a '\(option.choices.joined(separator: " "))'" }
    }
    return line
  }

  /// For between single quotes of every shell, and for zsh's `name:description`: the few characters that mean something there are replaced.
  private static func quotable(_ text: String) -> String {
    text.replacing("'", with: "").replacing("\\", with: "/").replacing(":", with: " -").replacing("\n", with: " ")
  }
}
