import FleetProtocol
import ServiceRuntime
import Testing

@testable import spotctl

/// What the tool understands and how it prints, without a database.
@Suite struct SpotctlGrammarTests {
  private func invocation(_ line: String...) throws -> Invocation {
    guard case .run(let invocation) = try Parser().parse(line) else { throw UsageError("help") }
    return invocation
  }

  private func problem(_ line: String...) -> String {
    do throws(UsageError) {
      return "\(try Parser().parse(line))"
    } catch {
      return "\(error)"
    }
  }

  @Test func argumentsAndOptionsMayBeMixed() throws {
    let expected = Invocation(
      path: ["commands", "send"], arguments: ["AGENT": "web-1", "NAME": "ping", "JSON": "{}"], values: ["--wait-for": "5"],
      switches: ["--wait", "--json"])
    #expect(try invocation("commands", "send", "web-1", "ping", "{}", "--wait", "--wait-for", "5", "--json") == expected)
    #expect(try invocation("commands", "send", "--json", "web-1", "--wait-for=5", "ping", "--wait", "{}") == expected)
    #expect(try invocation("agents", "show", "--", "--strange").arguments == ["AGENT": "--strange"])
    #expect(try invocation("clients", "create", "-").arguments == ["NAME": "-"])
    #expect(try invocation("--version").path == ["version"])
    #expect(try invocation("commands", "cancel", "one", "--json", "two").words == ["one", "two"])
    #expect(problem("commands", "cancel").contains("ID… is missing"))
  }

  @Test func theLastArgumentMayTakeAllThatIsLeftAndAnOptionAnArgumentsPlace() throws {
    let one = try invocation("agents", "tag", "web-1", "a=b", "--dry-run", "c-", "--", "-d=e")
    #expect(one.arguments == ["AGENT": "web-1"] && one.words == ["a=b", "c-", "-d=e"] && one.switches == ["--dry-run"])
    let many = try invocation("agents", "tag", "a=b", "--target", "all", "c-")
    #expect(many.arguments.isEmpty && many.words == ["a=b", "c-"] && many.values == ["--target": "all"])
  }

  @Test func helpIsEverywhere() throws {
    for line in [[], ["--help"], ["-h"], ["help"]] { #expect(try Parser().parse(line) == .help([])) }
    #expect(try Parser().parse(["agents", "--help"]) == .help(["agents"]))
    #expect(try Parser().parse(["help", "commands", "send"]) == .help(["commands", "send"]))
    for spec in CommandSpec.all {
      #expect(try Parser().parse(spec.path + ["--help"]) == .help(spec.path))
      let text = Help().text(spec.path)
      #expect(text.contains(spec.summary) && text.contains("Examples:"))
      for option in spec.options { #expect(text.contains(option.name)) }
    }
    let overview = Help().text([])
    for spec in CommandSpec.all { #expect(overview.contains(spec.path.joined(separator: " "))) }
    for code in ExitCode.allCases { #expect(overview.contains("\(code.rawValue)  \(code.meaning)")) }
  }

  @Test func everyExampleIsACommandLineThatWorks() throws {
    for example in CommandSpec.all.flatMap(\.examples) {
      let line = String(example.prefix { $0 != "|" }).trimmingWhitespace()
      // As a shell would take it apart: quoted parts are one word.
      let words = line.split(separator: "'", omittingEmptySubsequences: false).enumerated().flatMap { index, part in
        index % 2 == 1 ? [String(part)] : part.split(separator: " ").map(String.init)
      }
      #expect(words.first == "spotctl")
      guard case .run = try Parser().parse(Array(words.dropFirst())) else {
        Issue.record("\(example)")
        continue
      }
    }
  }

  @Test func everyActionIsInTheTableOnce() {
    #expect(Set(CommandSpec.all.map(\.path)).count == CommandSpec.all.count)
  }

  @Test func whatIsWrongIsNamedWithTheWayOut() {
    #expect(problem("agent", "list").contains("unknown command 'agent'; did you mean 'agents'?"))
    #expect(problem("agents", "frobnicate").contains("there are: list, show, tag"))
    #expect(problem("agents").contains("'agents' needs a command: list, show, tag"))
    #expect(problem("agents", "tag").contains("AGENT|--target EXPR is missing. Usage: spotctl agents tag AGENT|--target EXPR CHANGE…"))
    #expect(problem("agents", "tag", "a").contains("CHANGE… is missing"))
    #expect(problem("agents", "tag", "--target", "all").contains("CHANGE… is missing"))
    #expect(problem("agents", "show").contains("AGENT is missing. Usage: spotctl agents show AGENT"))
    #expect(problem("agents", "show", "a", "b").contains("'b' is one word too many"))
    #expect(problem("agents", "show", "").contains("AGENT is empty"))
    #expect(problem("agents", "list", "--jsn").contains("unknown option --jsn; did you mean --json?"))
    #expect(problem("agents", "list", "--json", "--json").contains("--json is there twice"))
    #expect(problem("agents", "list", "--json=yes").contains("--json takes no value"))
    #expect(problem("agents", "list", "--client").contains("--client needs a value: --client CLIENT"))
    #expect(problem("commands", "send", "a", "ping", "--wait-for", "5").contains("--wait-for means nothing without --wait"))
    #expect(problem("commands", "send", "a").contains("Try: spotctl commands send --help"))
    #expect(!problem("bad\u{1b}[2Jname").contains("\u{1b}"), "nothing of it may move the cursor")
  }

  @Test func numbersAreChecked() throws {
    let invocation = try invocation("commands", "send", "a", "ping", "--priority", "256")
    let words = "critical, override, urgent, normal, scheduled"
    #expect(throws: UsageError("--priority is '256'; it must be a whole number from 0 to 255, or \(words)", path: ["commands", "send"])) {
      try invocation.integer("--priority", default: 25, in: 0...255)
    }
    #expect(try invocation.integer("--limit", default: 60, in: 1...100) == 60)
  }

  @Test func aPriorityMayBeAWord() throws {
    for (word, number) in [("critical", 100), ("override", 75), ("urgent", 50), ("normal", 25), ("scheduled", 10), ("0", 0)] {
      let invocation = try invocation("commands", "send", "a", "ping", "--priority", word)
      #expect(try invocation.integer("--priority", default: 1, in: CommandPriority.range) == number)
    }
    let other = try invocation("commands", "list", "--limit", "urgent")
    #expect(throws: UsageError.self, "words are for priorities") { try other.integer("--limit", default: 1, in: 1...100) }
  }

  @Test func aBadValueNamesTheCommandsOwnHelp() throws {
    let invocation = try invocation("commands", "send", "a", "ping", "--timeout", "5x", "--priority", "high")
    for read in [
      { _ = try invocation.duration("--timeout", in: 1...60) }, { _ = try invocation.integer("--priority", default: 1, in: 0...9) },
    ] {
      do {
        try read()
        Issue.record("it was taken")
      } catch {
        #expect("\(error)".hasSuffix("\nTry: spotctl commands send --help"), "\(error)")
      }
    }
  }

  @Test func parametersMustBeAnObject() throws {
    #expect(try CommandCommands.parameters(nil) == [:])
    #expect(try CommandCommands.parameters(#"{"a":[1,null]}"#) == ["a": [1, nil]])
    for (text, part) in [
      ("[1]", "it must be an object"), ("7", "it must be an object"), ("{'a':1}", "not valid JSON"), ("{\"a\":", "not valid JSON"),
      ("", "is empty"),
    ] {
      do throws(Failure) {
        _ = try CommandCommands.parameters(text)
        Issue.record("\(text) was taken")
      } catch {
        #expect(error.code == .usage && error.description.contains(part) && !error.description.contains("(The"), "\(error)")
      }
    }
  }

  // MARK: - Output

  private var records: [Record] {
    [("web-1", 7, Timestamp(milliseconds: 1_800_000_000_123)), ("a\u{1b}[31m\nb", 120, nil)].map { name, number, time in
      var record = Record()
      record.add("id", .text(name), listed: true)
      record.add("priority", .number(number), listed: true)
      record.add("hidden", .null)
      record.add("finished_at", Cell(time), listed: true)
      return record
    }
  }

  @Test func tablesAreAlignedAndHarmless() {
    let lines = Rendering.table(records, empty: "none").split(separator: "\n")
    #expect(lines.count == 3)
    #expect(lines[0] == "ID              PRIORITY  FINISHED_AT")
    #expect(lines[1].hasPrefix("web-1                  7  20"))
    #expect(lines[2] == #"a\u{1b}[31m\nb       120  -"#)
    #expect(Rendering.table([], empty: "No agents.") == "No agents.\n")
  }

  @Test func aListInPagesIsTheSameTextAsTheWholeOne() throws {
    for isJSON in [false, true] {
      var pages = Pages(isJSON: isJSON, empty: "none")
      let text = try pages.text([records[1]]) + pages.text([]) + pages.text([records[0]]) + pages.end()
      let whole = [records[1], records[0]]
      #expect(text == (isJSON ? try Rendering.json(whole) : Rendering.table(whole, empty: "none")))
      let nothing = Pages(isJSON: isJSON, empty: "none")
      #expect(nothing.end() == (isJSON ? "[]\n" : "none\n"))
    }
  }

  @Test func oneRowIsShownWholeAndLineByLine() {
    #expect(
      Rendering.detail(records[1]).split(separator: "\n").map { $0.split(separator: " ").last } == [#"a\u{1b}[31m\nb"#, "120", "-", "-"])
  }

  @Test func jsonIsAnArrayOfObjectsInTheColumnsOrder() throws {
    let text = try Rendering.json(records)
    #expect(
      text.hasPrefix("[\n{\"id\":\"web-1\",\"priority\":7,\"hidden\":null,\"finished_at\":\"2027-01-15T08:00:00.123Z\"},\n{\"id\":"))
    #expect(text.hasSuffix("}\n]\n"))
    #expect(try Rendering.json([]) == "[]\n")
    var record = Record()
    record.add("output", .json(#"{"pong":true}"#))
    record.add("parameters", .json("no json"))
    record.add("is_active", .bool(true))
    #expect(try Rendering.json([record]) == "[\n{\"output\":{\"pong\":true},\"parameters\":\"no json\",\"is_active\":true}\n]\n")
  }

  @Test func aNewKeysNameTellsItsTime() {
    #expect(KeyCommands.newID(Timestamp(milliseconds: 1_800_000_000_123)) == "key-20270115-080000")
  }
}
