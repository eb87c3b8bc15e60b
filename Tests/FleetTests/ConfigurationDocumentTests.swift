import Foundation
import Testing
import TestSupport

/// docs/configuration.md lists what the programs read, with the defaults they use: held against the sources in both directions.
@Suite struct ConfigurationDocumentTests {
  /// What the document says of a variable.
  private struct Entry {
    let variable: String
    let programs: Set<String>
    let fallback: String
    let values: String
  }

  /// What the sources say of a variable.
  private struct Reading: Hashable {
    let variable: String
    let program: String
    var fallback: String?
    var range: String?
  }

  @Test func everyVariableThatIsReadIsListedWithItsDefaultAndItsRange() throws {
    let entries = try documented()
    for reading in try readings() {
      let entry = entries.first { $0.variable == reading.variable && $0.programs.contains(reading.program) }
      guard let entry else {
        Issue.record("\(reading.program) reads \(reading.variable), which docs/configuration.md does not list for it")
        continue
      }
      if let fallback = reading.fallback {
        #expect(entry.fallback.contains(fallback), "\(reading.variable) of \(reading.program) has the default \(fallback)")
      }
      if let range = reading.range {
        #expect(entry.values.contains(range), "\(reading.variable) of \(reading.program) has the range \(range)")
      }
    }
  }

  @Test func everyVariableThatIsListedIsRead() throws {
    let readings = try readings()
    let entries = try documented()
    #expect(entries.count > 30)
    for entry in entries {
      for program in entry.programs {
        // What the server reads with the code that it shares is read by spotctl and fleet-bench too.
        let readers = ["spotctl", "fleet-bench"].contains(program) ? [program, "server"] : [program]
        #expect(
          readings.contains { $0.variable == entry.variable && readers.contains($0.program) },
          "\(program) does not read \(entry.variable), which docs/configuration.md lists")
      }
    }
  }

  @Test func noVariableIsReadPastEnvironment() throws {
    for path in try swiftFiles(under: "Sources") where !path.hasSuffix("/ServiceRuntime/Environment.swift") {
      let text = try read(path)
      #expect(!text.contains("getenv(") && !text.contains("ProcessInfo"), "\(path)")
    }
  }

  @Test func everyExitCodeOfTheProgramsIsListed() throws {
    let section = try read("docs/configuration.md").components(separatedBy: "## Exit codes")[1].components(separatedBy: "\n## ")[0]
    let rows = section.split(separator: "\n").filter { $0.hasPrefix("| ") }.map { cells($0) }
    func listed(_ column: Int) -> Set<Int> { Set(rows.dropFirst().compactMap { $0[column].isEmpty ? nil : Int($0[0]) }) }
    for (path, column) in [("Sources/Agent/AgentExit.swift", 1), ("Sources/spotctl/ExitCode.swift", 3)] {
      let codes = try read(path).matches(of: /case \w+ = (\d+)/).compactMap { Int($0.1) }
      #expect(!codes.isEmpty && Set(codes) == listed(column), "\(path)")
    }
  }

  // MARK: - The document

  private func documented() throws -> [Entry] {
    var entries: [Entry] = []
    var isTableOfVariables = false
    for line in try read("docs/configuration.md").split(separator: "\n", omittingEmptySubsequences: false) {
      guard line.hasPrefix("|") else {
        isTableOfVariables = false
        continue
      }
      let cells = cells(line)
      if cells[0] == "Variable" {
        isTableOfVariables = true
      } else if isTableOfVariables, !cells[0].hasPrefix("---") {
        try #require(cells.count == 5, "\(line)")
        entries.append(
          Entry(
            variable: cells[0].replacing("`", with: ""), programs: Set(cells[1].components(separatedBy: ", ")), fallback: cells[2],
            values: cells[3]))
      }
    }
    return entries
  }

  private func cells(_ line: Substring) -> [String] {
    line.split(separator: "|", omittingEmptySubsequences: false).dropFirst().dropLast().map { $0.trimmingCharacters(in: .whitespaces) }
  }

  // MARK: - The sources

  private func readings() throws -> Set<Reading> {
    var readings: Set<Reading> = []
    let programs = [
      "Sources/Agent": "agent", "Sources/Server": "server", "Sources/spotctl": "spotctl", "Sources/FleetBench": "fleet-bench",
    ]
    for (folder, program) in programs {
      for path in try swiftFiles(under: folder) { readings.formUnion(swiftReadings(try read(path), program)) }
    }
    // What both programs read by the same code.
    let shared = try read("Sources/ServiceRuntime/ServiceManager.swift")
    for program in ["agent", "server"] { readings.formUnion(swiftReadings(shared, program)) }
    for path in try files(under: "broker/localservices", suffix: ".py") {
      for match in try read(path).matches(of: /os\.environ(?:\.get\(|\[)"([A-Z_]+)"/) {
        readings.insert(Reading(variable: String(match.1), program: "broker/local"))
      }
    }
    let shell = [
      "broker/container-entrypoint": "broker container", "docker-compose.yml": "compose", "script/test": "script/test",
      "broker/local": "broker/local",
    ]
    for (path, program) in shell {
      // ${NAME:-default} and ${NAME:?why}; compose writes a variable of the container itself as $${NAME}.
      for match in try read(path).matches(of: /(?:^|[^$])\$\{([A-Z_]+):([-?])([^}]*)\}/) {
        readings.insert(
          Reading(variable: String(match.1), program: program, fallback: match.2 == "?" ? "required" : String(match.3)))
      }
    }
    return readings
  }

  /// Calls of `Environment`'s accessors, with the variable's name in quotes or in a constant of the same file.
  private func swiftReadings(_ text: String, _ program: String) -> [Reading] {
    var constants: [String: String] = [:]
    for match in text.matches(of: /let (\w+) = "([A-Z][A-Z0-9_]+)"/) { constants[String(match.1)] = String(match.2) }
    return text.matches(of: /environment(?:\[|\.(\w+)\(\s*)(?:"([A-Z][A-Z0-9_]+)"|(\w+))([^\n]*)/).compactMap { match in
      guard let variable = match.2.map(String.init) ?? match.3.flatMap({ constants[String($0)] }) else { return nil }
      var reading = Reading(variable: variable, program: program)
      if match.1 == "required" { reading.fallback = "required" }
      if let fallback = match.4.firstMatch(of: /default: (?:"([^"]*)"|\w*\.(\w+)|([0-9_]+))/) {
        if let text = fallback.1 {
          reading.fallback = String(text)
        } else if let word = fallback.2 {
          // The levels' names are written in capitals.
          reading.fallback = word == "info" ? "INFO" : String(word)
        } else if let number = fallback.3 {
          reading.fallback = number.filter(\.isNumber)
        }
      }
      if let range = match.4.firstMatch(of: /in: ([0-9_]+)\.\.\.([0-9_]+)/) {
        reading.range = "\(range.1.filter(\.isNumber)) to \(range.2.filter(\.isNumber))"
      }
      return reading
    }
  }

  private func swiftFiles(under folder: String) throws -> [String] { try files(under: folder, suffix: ".swift") }

  private func files(under folder: String, suffix: String) throws -> [String] {
    let root = LocalServices.repository
    let found = try FileManager.default.subpathsOfDirectory(atPath: "\(root)/\(folder)").filter { $0.hasSuffix(suffix) }
    try #require(!found.isEmpty, "\(folder) holds no \(suffix) files")
    return found.map { "\(folder)/\($0)" }
  }

  private func read(_ path: String) throws -> String {
    try String(contentsOfFile: "\(LocalServices.repository)/\(path)", encoding: .utf8)
  }
}
