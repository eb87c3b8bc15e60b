extension ProgramManual {
  /// The manual page in the language of man(7).
  public var manualPage: String {
    var lines = [
      ".\\\" Printed by `\(name) manual`.",
      ".TH \(name.uppercased()) \(section) \"\" \"Spot Optimizer \(programVersion)\" \"Spot Optimizer\"",
      ".SH NAME", "\(Self.roff(name)) \\- \(Self.roff(summary))", ".SH SYNOPSIS",
    ]
    for (index, synopsis) in synopses.enumerated() {
      if index > 0 { lines.append(".br") }
      lines += [".B \(Self.roff(name))"] + (synopsis.isEmpty ? [] : [Self.roff(synopsis)])
    }
    lines += paragraphs("DESCRIPTION", description)
    if !subcommands.isEmpty {
      lines.append(".SH COMMANDS")
      for command in subcommands {
        lines += [".SS \"\(Self.roff("\(command.synopsis)").replacing("\"", with: "\\(dq"))\"", Self.roff(command.summary)]
        lines += command.arguments.flatMap { Self.item($0.name, $0.text) }
        lines += command.options.flatMap { Self.item($0.label, $0.help) }
        lines += Self.literal(command.examples)
      }
    }
    lines += list("OPTIONS", options.map { Entry($0.label, $0.help) })
    lines += list("ENVIRONMENT", variables)
    if let signals { lines += paragraphs("SIGNALS", [signals]) }
    lines += list("FILES", files)
    lines += list("EXIT STATUS", exitCodes)
    if !examples.isEmpty { lines += [".SH EXAMPLES"] + Self.literal(examples) }
    if !seeAlso.isEmpty { lines += [".SH SEE ALSO", seeAlso.map(Self.roff).joined(separator: ", ")] }
    return lines.joined(separator: "\n") + "\n"
  }

  private func paragraphs(_ title: String, _ texts: [String]) -> [String] {
    guard !texts.isEmpty else { return [] }
    return [".SH \(title)"] + texts.enumerated().flatMap { ($0.offset > 0 ? [".PP"] : []) + [Self.roff($0.element)] }
  }

  private func list(_ title: String, _ entries: [Entry]) -> [String] {
    entries.isEmpty ? [] : [".SH \"\(title)\""] + entries.flatMap { Self.item($0.name, $0.text) }
  }

  private static func item(_ name: String, _ text: String) -> [String] { [".TP", "\\fB\(roff(name))\\fR", roff(text)] }

  private static func literal(_ examples: [String]) -> [String] {
    examples.isEmpty ? [] : [".PP", ".nf"] + examples.map { "    \(roff($0))" } + [".fi"]
  }

  /// Text as it is: without this a dash becomes a hyphen that cannot be typed, and a dot or quote at a line's beginning a request.
  private static func roff(_ text: String) -> String {
    var result = ""
    for character in text {
      switch character {
      case "\\": result += "\\e"
      case "-": result += "\\-"
      case "'": result += "\\(aq"
      case "`": result += "\\(ga"
      case "^": result += "\\(ha"
      case "~": result += "\\(ti"
      case "…": result += "..."
      case "→": result += "\\(->"
      default: result.append(character)
      }
    }
    return result.hasPrefix(".") ? "\\&\(result)" : result
  }
}
