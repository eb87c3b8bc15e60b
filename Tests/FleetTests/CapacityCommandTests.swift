import FleetProtocol
import Foundation
import TestSupport
import Testing

@testable import spotctl

/// `spotctl capacity` on the command line, without a database or a broker.
@Suite struct CapacityCommandTests {
  private static let here = CapacityMachine(cores: 3, memory: 5 * CapacityMachine.gibibyte, openFiles: 4096)

  private func report(_ words: String...) throws -> CapacityReport {
    guard case .run(let invocation) = try Parser().parse(["capacity"] + words) else { throw UsageError("help") }
    return try CapacityCommand.report(invocation, on: Self.here)
  }

  private func problem(_ words: String...) -> String {
    do {
      guard case .run(let invocation) = try Parser().parse(["capacity"] + words) else { return "help" }
      return "\(try CapacityCommand.report(invocation, on: Self.here))"
    } catch {
      return "\(error)"
    }
  }

  @Test func whatTheLineDoesNotSayIsThisMachines() throws {
    let plain = try report("--agents", "10")
    #expect(plain.machine == Self.here && plain.load == CapacityLoad(agents: 10, interval: 30, backWithin: 120) && plain.budget == 0.7)
    #expect(plain.model.footprint.version == BrokerVersion(3, 10) && plain.model.measurements == .reference)
    let whole = try report(
      "--agents", "10", "--interval", "5m", "--cores", "8", "--memory", "32", "--open-files", "200000", "--broker", "4.3.6",
      "--back-within", "10m", "--headroom", "0")
    #expect(whole.machine == CapacityMachine(cores: 8, memory: 32 * CapacityMachine.gibibyte, openFiles: 200_000))
    #expect(whole.load == CapacityLoad(agents: 10, interval: 300, backWithin: 600) && whole.budget == 1)
    #expect(whole.model.footprint.version == BrokerVersion(4, 3))
    // Another machine has not this one's limit.
    #expect(try report("--agents", "10", "--cores", "8").machine.openFiles == CapacityReference.debianOpenFiles)
    #expect(try report("--agents", "10", "--memory", "8").machine.openFiles == CapacityReference.debianOpenFiles)
  }

  @Test func thisMachineHasWhatTheSystemSays() {
    let here = CapacityMachine.here()
    #expect(here.cores >= 1 && here.memory > 64e6 && here.openFiles > 0 && here.openFiles <= CapacityReference.debianOpenFiles)
  }

  @Test func wrongArgumentsAreNamedWithWhatWouldDo() {
    #expect(problem().hasPrefix("--agents is missing: how many there are to be, such as --agents 10000\nTry: spotctl capacity --help"))
    for text in ["0", "-1", "many", "1.5", "10000001"] {
      #expect(problem("--agents", text).contains("--agents is '\(text)'; it must be a whole number from 1 to 10000000"))
    }
    #expect(problem("--agents", "1", "--interval", "soon").contains("--interval is 'soon'; it must be a time such as"))
    #expect(problem("--agents", "1", "--interval", "2h").contains("--interval is '2h'; it must be from 1s to 1h"))
    #expect(problem("--agents", "1", "--cores", "0").contains("--cores is '0'; it must be a whole number from 1 to 4096"))
    #expect(problem("--agents", "1", "--memory", "7.5").contains("--memory is '7.5'; it must be a whole number from 1 to 65536"))
    #expect(problem("--agents", "1", "--open-files", "none").contains("--open-files is 'none'; it must be a whole number from 1"))
    #expect(problem("--agents", "1", "--headroom", "100").contains("--headroom is '100'; it must be a whole number from 0 to 90"))
    #expect(problem("--agents", "1", "--back-within", "0").contains("--back-within is '0'; it must be from 1s to 1d"))
    for text in ["3.9", "four", "4"] {
      #expect(problem("--agents", "1", "--broker", text).contains("--broker is '\(text)'; it must be a version of RabbitMQ, 3.10 or newer"))
    }
  }

  @Test func theTableHasALineForEachResourceAndNamesWhatGivesOutFirst() throws {
    let report = try report("--agents", "40000")
    let lines = report.text.split(separator: "\n").map(String.init)
    for resource in CapacityResource.allCases { #expect(lines.contains { $0.hasPrefix("\(resource.title)  ") }) }
    let marked = lines.filter { $0.hasSuffix("gives out first") }
    #expect(marked.count == 1 && marked[0].hasPrefix(report.first.resource.title))
    #expect(report.text.contains("It does not fit with 30% of each to stay free: \(report.first.resource.title)."))
    let largest = "about \(CapacityReport.roughly(report.largest.agents)) agents; first to give out: \(report.largest.limit.title)."
    #expect(report.text.contains(largest))
    #expect(report.text.contains("On other machines, with 65536 open files:"))
    #expect(try self.report("--agents", "1", "--open-files", "9000").text.contains("On other machines, with 9000 open files:"))
    for assumption in report.assumptions { #expect(lines.contains("- \(assumption)")) }
    let small = try self.report("--agents", "1")
    #expect(small.text.hasPrefix("1 agent with a heartbeat every 30s: 0.03 heartbeats a second, on one machine of 3 cores, 5 GiB and 4096"))
    #expect(small.text.contains("It fits with 30% of each to stay free."))
  }

  @Test func everythingThatIsTooLittleComesWithWhatHelps() throws {
    let report = try report("--agents", "1000000")
    for share in report.shares where share.share > 0.7 { #expect(report.text.contains("What helps: \(share.resource.remedy).")) }
    #expect(report.text.contains("Too little as well: "))
    #expect(try self.report("--agents", "1", "--open-files", "65536").text.contains("the greatest share"))
  }

  @Test func aRareHeartbeatComesWithTheTimeOutThatItNeeds() throws {
    #expect(try report("--agents", "100", "--open-files", "65536").remarks.isEmpty)
    let rare = try report("--agents", "100", "--interval", "5m", "--open-files", "65536").remarks
    #expect(rare.count == 1 && rare[0].contains("every 5m, AGENT_HEARTBEAT_TIMEOUT has to be three times that at least (15m; it is 2m"))
  }

  @Test func whatIsTooLittleNeverLooksLikeEnough() {
    #expect(CapacityReport.percent(1.0001) == 101 && CapacityReport.percent(1) == 100 && CapacityReport.percent(0.7) == 70)
    #expect(CapacityReport.percent(0.0001) == 1 && CapacityReport.percent(0) == 0)
    #expect([0, 999, 1000, 13_965, 1_234_567].map(CapacityReport.roughly) == [0, 999, 1000, 13_900, 1_230_000])
  }

  @Test func theExitCodeSaysWhetherItFitsAndJSONIsOneObject() async throws {
    let fitting = try await run("--agents", "100", "--cores", "2", "--memory", "8", "--open-files", "65536", "--json")
    #expect(fitting.code == 0)
    let object = try WireCoding.decodeJSON(JSONValue.self, from: Array(fitting.text.utf8))
    #expect(object["fits"] == true && object["agents"] == 100 && object["machine"]?["cores"] == 2)
    guard case .array(let resources)? = object["resources"], case .array(let figures)? = object["figures"] else {
      Issue.record("\(fitting.text)")
      return
    }
    #expect(resources.map { $0["resource"] } == CapacityResource.allCases.map { .string($0.rawValue) })
    #expect(figures.count == CapacityFigure.allCases.count && figures.allSatisfy { $0["from"] == "reference" })
    let bursting = try await run("--agents", "1000000", "--cores", "2", "--memory", "8")
    #expect(bursting.code == 1 && bursting.text.contains("It does not fit"))
    let wrong = try await run("--agents", "none")
    #expect(wrong.code == 2 && wrong.text.contains("spotctl: --agents is 'none'"))
  }

  @Test func measurementsOfAFileAreSaidToBeOfIt() async throws {
    let file = NSTemporaryDirectory() + "spot-optimizer-capacity-\(UUID().uuidString).json"
    defer { try? FileManager.default.removeItem(atPath: file) }  // Only litter is left if it fails.
    let object: JSONValue = [
      "machine": ["cores": "8", "broker": "RabbitMQ 4.3.6"], "storm": ["agents": 5000, "connections_per_second": 777],
    ]
    try String(decoding: try WireCoding.encodeJSON(object), as: UTF8.self).write(toFile: file, atomically: true, encoding: .utf8)
    let answer = try await run("--agents", "100", "--cores", "2", "--memory", "8", "--open-files", "65536", "--measurements", file)
    #expect(answer.code == 0 && answer.text.contains("as measured with RabbitMQ 4.3 "))
    let line = try #require(answer.text.split(separator: "\n").first { $0.hasPrefix("storm.connections_per_second") })
    #expect(line.contains("777") && line.hasSuffix(file))
  }

  private func run(_ words: String...) async throws -> (code: Int32, text: String) {
    let program = try await Program("spotctl", ["capacity"] + words)
    guard case .exited(let code) = try await program.waitForExit() else { return (-1, program.output) }
    return (code, program.output)
  }
}
