import FleetProtocol
import Foundation
import Testing

@testable import spotctl

/// What of a file of `script/bench --json` is taken, and what is said of one that cannot be used.
@Suite struct CapacityMeasurementsTests {
  private static let machine: JSONValue = ["cpu": "a processor", "cores": "4", "memory": "15.6 GiB", "broker": "RabbitMQ 4.0.5"]
  private static let ingest: JSONValue = [
    "heartbeats": 200_000, "per_second": 30_000, "per_second_range": [29_000, 31_000], "published_per_second": 20_000.5,
    "cpu_us_per_message": 20.5, "worker_peak_mb": 70.25,
  ]
  private static let steady: JSONValue = [
    "agents": 20_000, "seconds": 600, "heartbeats_per_second": 666.5, "lag_p99_ms": 0, "server_cpu_percent": 1, "broker_cpu_percent": 2,
    "database_cpu_percent": 0.0, "server_mb_after": 40,
  ]

  private func problem(_ object: JSONValue) -> String {
    do throws(Failure) {
      return "taken: \(try CapacityMeasurements(object, file: "bench.json"))"
    } catch {
      return error.code == .usage ? error.description : "the exit code is \(error.code)"
    }
  }

  private func changed(_ object: JSONValue, _ key: String, _ value: JSONValue?) -> JSONValue {
    guard case .object(var members) = object else { return object }
    members[key] = value
    return .object(members)
  }

  @Test func aScenarioOfTheFileTakesThePlaceOfTheReferencesAndTheOthersAreTheReferences() throws {
    let measurements = try CapacityMeasurements(["machine": Self.machine, "ingest": Self.ingest], file: "bench.json")
    #expect(measurements[.ingestRate] == 30_000 && measurements[.publishRate] == 20_000.5)
    #expect(measurements.cores(of: .ingestRate) == 4 && measurements.origin(of: .ingestRate) == "bench.json")
    #expect(measurements[.loginRate] == CapacityReference.figure(.loginRate))
    #expect(measurements.cores(of: .loginRate) == CapacityReference.cores && measurements.origin(of: .loginRate) == "reference")
    #expect(measurements.broker == BrokerVersion(4, 0) && measurements.remarks.isEmpty)
    for figure in CapacityFigure.allCases { #expect((measurements.origin(of: figure) == "bench.json") == (figure.scenario == .ingest)) }
  }

  @Test func everyFigureBelongsToTheScenarioOfItsNameAndTheReferenceHasIt() {
    for figure in CapacityFigure.allCases {
      #expect(figure.rawValue == "\(figure.scenario.rawValue).\(figure.key)")
      #expect(CapacityReference.figure(figure) > 0)
    }
    #expect(Set(CapacityFigure.allCases.map(\.scenario)) == Set(CapacityFigure.Scenario.allCases))
    #expect(CapacityReference.brokers.map(\.version) == CapacityReference.brokers.map(\.version).sorted())
  }

  @Test func aSharePartThatWasRoundedToNothingIsTaken() throws {
    let measurements = try CapacityMeasurements(["machine": Self.machine, "steady": Self.steady], file: "bench.json")
    #expect(measurements[.steadyDatabase] == 0 && measurements[.steadyAgents] == 20_000 && measurements.remarks.isEmpty)
  }

  @Test func measurementsOfAQuickRunAreTakenWithARemark() throws {
    let short = changed(changed(Self.steady, "seconds", 10), "agents", 1000)
    let storm: JSONValue = ["agents": 100, "connections_per_second": 45]
    let measurements = try CapacityMeasurements(["machine": Self.machine, "steady": short, "storm": storm], file: "bench.json")
    #expect(
      measurements.remarks.map { $0.prefix { $0 != ":" } } == ["steady.seconds is 10", "steady.agents is 1000", "storm.agents is 100"])
    #expect(measurements.remarks.last?.hasSuffix("run, without --quick: script/bench --json storm >FILE") == true)
    #expect(measurements[.steadyAgents] == 1000 && measurements[.loginRate] == 45)
  }

  @Test func whatIsMissingOrNoNumberIsNamedWithTheScenarioToRun() {
    func ingest(_ value: JSONValue?) -> String {
      problem(["machine": Self.machine, "ingest": changed(Self.ingest, "published_per_second", value)])
    }
    let run = "write it with: script/bench --json ingest >FILE"
    #expect(ingest(nil).contains("ingest.published_per_second is missing; \(run)"))
    #expect(ingest(.null).contains("ingest.published_per_second is missing; \(run)"))
    #expect(ingest("fast").contains("ingest.published_per_second is '\"fast\"'; it must be a number; \(run)"))
    #expect(ingest([1, 2]).contains("ingest.published_per_second is '[1,2]'; it must be a number"))
    #expect(ingest(0).contains("ingest.published_per_second is '0'; it must be greater than 0"))
    #expect(ingest(-5).contains("ingest.published_per_second is '-5'; it must be greater than 0"))
    #expect(ingest(nil).hasPrefix("--measurements is 'bench.json', which cannot be used: "))
    let unknownProcess = changed(Self.steady, "broker_cpu_percent", nil)
    #expect(
      problem(["machine": Self.machine, "steady": unknownProcess]).contains(
        "steady.broker_cpu_percent is missing; write it with: script/bench --json steady >FILE"))
    let negative = changed(Self.steady, "lag_p99_ms", -1)
    #expect(problem(["machine": Self.machine, "steady": negative]).contains("steady.lag_p99_ms is '-1'; it must not be negative"))
  }

  @Test func aFileOfSomethingElseIsRefused() {
    for object: JSONValue in [[:], ["machine": Self.machine], [1, 2], "ingest", Self.ingest] {
      let said = problem(object)
      #expect(
        said.contains("it has none of the members ingest, dispatch, agent, storm, steady; write it with: script/bench --json"), "\(said)")
    }
    #expect(problem(["machine": Self.machine, "ingest": 5]).contains("ingest.per_second is missing"))
  }

  @Test func theCoresOfTheMeasuredMachineAreNeeded() throws {
    func cores(_ value: JSONValue?) -> String { problem(["machine": changed(Self.machine, "cores", value), "ingest": Self.ingest]) }
    #expect(problem(["ingest": Self.ingest]).contains("machine.cores is missing"))
    #expect(cores(nil).contains("machine.cores is missing"))
    #expect(cores("many").contains("machine.cores is '\"many\"'; it must be the number of the cores"))
    #expect(cores("0").contains("machine.cores is '\"0\"'"))
    #expect(cores(8).hasPrefix("taken: "))
  }

  @Test func aFileThatCannotBeReadOrIsNoJSONIsNamed() throws {
    func refusal(_ file: String) -> String {
      do throws(Failure) {
        return "taken: \(try CapacityMeasurements(file: file))"
      } catch {
        return error.description
      }
    }
    #expect(
      refusal("/nowhere/bench.json") == "--measurements is '/nowhere/bench.json', which cannot be read: [Errno 2] No such file or directory"
    )
    #expect(refusal("/").contains("--measurements is '/', which cannot be read: [Errno 21] Is a directory"))
    let file = NSTemporaryDirectory() + "spot-optimizer-capacity-\(UUID().uuidString).json"
    defer { try? FileManager.default.removeItem(atPath: file) }  // Only litter is left if it fails.
    try "machine 2 cores\n".write(toFile: file, atomically: true, encoding: .utf8)
    #expect(refusal(file).contains("'\(file)', which cannot be used: the body is not valid JSON"))
    try "".write(toFile: file, atomically: true, encoding: .utf8)
    #expect(refusal(file).contains("which cannot be used: the body is empty"))
    #expect(refusal("/dev/zero").contains("it has more than 1048576 bytes"))
  }
}
