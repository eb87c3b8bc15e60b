import ServiceRuntime

/// Reads command lines by the table. Options may stand anywhere behind the command's name; `--` ends them.
struct Parser: Sendable {
  let table: [CommandSpec]

  init(_ table: [CommandSpec] = CommandSpec.all) { self.table = table }

  func parse(_ words: [String]) throws(UsageError) -> Request {
    guard let first = words.first else { return .help([]) }
    if first == "--version" { return .run(Invocation(path: ["version"])) }
    if ["--help", "-h"].contains(first) { return .help([]) }
    if first == "help" { return .help(try known(Array(words.dropFirst().prefix { !$0.hasPrefix("-") }))) }
    // The longest name: `migrate` is a command, and `migrate import` another.
    guard let spec = table.filter({ words.starts(with: $0.path) }).max(by: { $0.path.count < $1.path.count }) else {
      let names = Array(words.prefix { !$0.hasPrefix("-") }.prefix(2))
      let group = try known(Array(names.prefix(1)))
      if names.count > 1 { _ = try known(names) }
      if words.contains(where: { ["--help", "-h"].contains($0) }) { return .help(group) }
      throw UsageError("'\(group.joined(separator: " "))' needs a command: \(commands(in: group).joined(separator: ", "))", path: group)
    }
    let rest = words.dropFirst(spec.path.count)
    if rest.prefix(while: { $0 != "--" }).contains(where: { ["--help", "-h"].contains($0) }) { return .help(spec.path) }
    do throws(UsageError) {
      return .run(try invocation(spec, rest))
    } catch {
      throw UsageError(error.problem, path: spec.path)
    }
  }

  /// The path, if it names a group or a command.
  private func known(_ path: [String]) throws(UsageError) -> [String] {
    if table.contains(where: { $0.path.starts(with: path) }) { return path }
    let group = Array(path.dropLast())
    let names = commands(in: group)
    let unknown = path.last ?? ""
    let guess = nearestWord(to: unknown, in: names).map { "; did you mean '\($0)'?" } ?? "; there are: \(names.joined(separator: ", "))"
    throw UsageError("unknown command '\(printable(path.joined(separator: " ")))'\(guess)", path: group)
  }

  private func commands(in group: [String]) -> [String] {
    var names: [String] = []
    for spec in table where spec.path.starts(with: group) && spec.path.count > group.count && !names.contains(spec.path[group.count]) {
      names.append(spec.path[group.count])
    }
    return names
  }

  private func invocation(_ spec: CommandSpec, _ words: ArraySlice<String>) throws(UsageError) -> Invocation {
    var invocation = Invocation(path: spec.path)
    var positional: [String] = []
    var words = words
    var optionsEnded = false
    while let word = words.popFirst() {
      if optionsEnded || !word.hasPrefix("-") || word == "-" {
        positional.append(word)
      } else if word == "--" {
        optionsEnded = true
      } else {
        try readOption(word, &words, spec, &invocation)
      }
    }
    for option in spec.options where invocation.values[option.name] != nil || invocation.switches.contains(option.name) {
      guard let required = option.requires, !invocation.switches.contains(required) else { continue }
      throw UsageError("\(option.name) means nothing without \(required)")
    }
    try assign(positional, spec, &invocation)
    return invocation
  }

  private func assign(_ words: [String], _ spec: CommandSpec, _ invocation: inout Invocation) throws(UsageError) {
    let arguments = spec.arguments.filter { $0.insteadOf.map { invocation.values[$0.name] == nil } ?? true }
    for (argument, word) in zip(arguments, words) {
      guard !word.isEmpty else { throw UsageError("\(argument.name) is empty") }
      invocation.arguments[argument.name] = word
    }
    if let missing = arguments.dropFirst(words.count).first(where: { !$0.isOptional }) {
      throw UsageError("\(missing.placeholder) is missing. Usage: spotctl \(spec.synopsis)")
    }
    if let last = arguments.last, last.isRepeated {
      invocation.arguments[last.name] = nil
      invocation.words = Array(words.dropFirst(arguments.count - 1))
    } else if words.count > arguments.count {
      throw UsageError("'\(printable(words[arguments.count]))' is one word too many. Usage: spotctl \(spec.synopsis)")
    }
  }

  private func readOption(
    _ word: String, _ words: inout ArraySlice<String>, _ spec: CommandSpec, _ invocation: inout Invocation
  ) throws(UsageError) {
    let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
    guard let option = spec.options.first(where: { $0.name == parts[0] }) else {
      let guess = nearestWord(to: parts[0], in: spec.options.map(\.name)).map { "; did you mean \($0)?" } ?? ""
      throw UsageError("unknown option \(printable(parts[0]))\(guess)")
    }
    guard invocation.values[option.name] == nil, !invocation.switches.contains(option.name) else {
      throw UsageError("\(option.name) is there twice")
    }
    guard let placeholder = option.value else {
      guard parts.count == 1 else { throw UsageError("\(option.name) takes no value") }
      invocation.switches.insert(option.name)
      return
    }
    guard let value = parts.count > 1 ? parts[1] : words.popFirst(), !value.isEmpty else {
      throw UsageError("\(option.name) needs a value: \(option.name) \(placeholder)")
    }
    invocation.values[option.name] = value
  }
}
