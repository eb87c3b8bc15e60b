import Foundation
import Testing
import TestSupport

/// docs/AGENT_CONFIGURATION.md and docs/configuration.md list what the programs read, with the defaults they use: held against the sources in both
/// directions.
@Suite struct ConfigurationDocumentTests {
  private static let agentPage = "docs/AGENT_CONFIGURATION.md"
  private static let otherPage = "docs/configuration.md"

  /// What a page says of a variable.
  private struct Entry {
    let variable: String
    let programs: Set<String>
    let fallback: String
    let values: String
    let badValue: String
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
        Issue.record("\(reading.program) reads \(reading.variable), which \(Self.agentPage) and \(Self.otherPage) do not list for it")
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
    #expect(entries.count > 50)
    for entry in entries {
      for program in entry.programs {
        // What the server reads with the code that it shares is read by spotctl and fleet-bench too.
        let readers = ["spotctl", "fleet-bench"].contains(program) ? [program, "server"] : [program]
        #expect(
          readings.contains { $0.variable == entry.variable && readers.contains($0.program) },
          "\(program) does not read \(entry.variable), which \(Self.agentPage) or \(Self.otherPage) lists")
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
    func listed(_ page: String, _ column: Int) throws -> Set<Int> {
      let section = try read(page).components(separatedBy: "## Exit codes")[1].components(separatedBy: "\n## ")[0]
      let rows = section.split(separator: "\n").filter { $0.hasPrefix("| ") }.map { cells($0) }
      return Set(rows.dropFirst().compactMap { $0[column].isEmpty ? nil : Int($0[0]) })
    }
    for (path, page, column) in [
      ("Sources/Agent/AgentExit.swift", Self.agentPage, 1), ("Sources/Agent/AgentExit.swift", Self.otherPage, 1),
      ("Sources/spotctl/ExitCode.swift", Self.otherPage, 3),
    ] {
      let codes = try read(path).matches(of: /case \w+ = (\d+)/).compactMap { Int($0.1) }
      #expect(try !codes.isEmpty && Set(codes) == listed(page, column), "\(path), \(page)")
    }
  }

  /// For each variable of the agent a value that its page calls refused.
  private static let badValues = [
    "SPOT_OPTIMIZER_SERVER_URL": "http://server/?query", "SPOT_OPTIMIZER_CLIENT_TOKEN": String(repeating: "t", count: 256),
    "LOGICAL_AGENT_ID": "web\u{7}1", "AWS_REGION": "us east", "HEARTBEAT_INTERVAL": "3601", "LOG_LEVEL": "LOUD", "LOG_FORMAT": "xml",
    "SPOT_OPTIMIZER_LOG_FILE": "/nonexistent/agent.log", "SPOT_OPTIMIZER_STATE_DIR": "/proc/state",
    "SPOT_OPTIMIZER_COMMANDS_DIR": "/nonexistent/commands", "SPOT_OPTIMIZER_MAX_CONCURRENT_COMMANDS": "0", "SPOT_OPTIMIZER_TAGS": "worker",
    "SPOT_OPTIMIZER_CA_FILE": "/nonexistent/ca.pem", "AWS_EC2_METADATA_SERVICE_ENDPOINT": "169.254.169.254", "NOTIFY_SOCKET": "notify",
    "WATCHDOG_USEC": "soon",
  ]

  @Test func whatTheAgentsPageCallsRefusedIsRefusedByTheAgent() async throws {
    let state = NSTemporaryDirectory() + "spot-optimizer-refused-\(UUID().uuidString)"
    // Nothing depends on the folder being gone.
    defer { try? FileManager.default.removeItem(atPath: state) }
    let good = [
      "SPOT_OPTIMIZER_SERVER_URL": "http://127.0.0.1:1", "SPOT_OPTIMIZER_CLIENT_TOKEN": "token", "SPOT_OPTIMIZER_STATE_DIR": state,
      // Without it the watchdog's variables are not looked at.
      "NOTIFY_SOCKET": "/nonexistent/notify",
    ]
    let refused = try documented(Self.agentPage).filter { $0.badValue.hasPrefix("refused") }
    #expect(Set(refused.map(\.variable)) == Set(Self.badValues.keys))
    for (variable, value) in Self.badValues {
      try await withProgram("spot-optimizer-agent", environment: good.merging([variable: value]) { $1 }) { program in
        let status = try await program.waitForExit(timeout: .seconds(60))
        #expect(status == .exited(2) && program.output.contains(variable), "\(variable): \(program.output)")
      }
    }
  }

  @Test func theAgentsPageShowsInItsExamplesVariablesThatItListsOnly() throws {
    let listed = Set(try documented(Self.agentPage).map(\.variable))
    let shown = try read(Self.agentPage).matches(of: /(?m)^([A-Z][A-Z0-9_]+)=/).map { String($0.1) }
    #expect(shown.count > 5)
    for variable in shown { #expect(listed.contains(variable), "\(variable)") }
  }

  // MARK: - The pages

  private func documented() throws -> [Entry] { try documented(Self.agentPage) + documented(Self.otherPage) }

  private func documented(_ page: String) throws -> [Entry] {
    var entries: [Entry] = []
    var isTableOfVariables = false
    for line in try read(page).split(separator: "\n", omittingEmptySubsequences: false) {
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
            values: cells[3], badValue: cells[4]))
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
