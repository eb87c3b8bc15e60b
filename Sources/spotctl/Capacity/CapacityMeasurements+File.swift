import FleetProtocol
import Glibc
import ServiceRuntime

/// Reads the object that `script/bench --json` prints.
extension CapacityMeasurements {
  /// With less than that a scenario measures something else: `steady` mostly what server, broker and database do besides, `storm` the agents' first pauses.
  private static let leastEffort: [(scenario: CapacityFigure.Scenario, key: String, least: Double)] = [
    (.steady, "seconds", 60), (.steady, "agents", 5000), (.storm, "agents", 1000),
  ]
  private static let mostBytes = 1 << 20

  /// The file's figures; of scenarios that are not in it, the reference's. Throws what is wrong with it and which scenario to run.
  init(file: String) throws(Failure) {
    let bytes = try Self.read(file)
    let object: JSONValue
    do throws(MessageError) {
      object = try WireCoding.decodeJSON(JSONValue.self, from: bytes, limit: Self.mostBytes)
    } catch {
      throw Self.unusable(file, "the \(error)")
    }
    try self.init(object, file: file)
  }

  /// The figures of an object that was read from `file`.
  init(_ object: JSONValue, file: String) throws(Failure) {
    let scenarios = CapacityFigure.Scenario.allCases.filter { object[$0.rawValue] != nil }
    guard !scenarios.isEmpty else {
      let names = CapacityFigure.Scenario.allCases.map(\.rawValue).joined(separator: ", ")
      throw Self.unusable(file, "it has none of the members \(names)")
    }
    var figures: [CapacityFigure: Double] = [:]
    for figure in CapacityFigure.allCases where scenarios.contains(figure.scenario) {
      figures[figure] = try Self.number(figure, object, file)
    }
    var remarks: [String] = []
    for (scenario, key, least) in Self.leastEffort {
      guard let number = Self.double(object[scenario.rawValue]?[key]), number < least else { continue }
      remarks.append(
        "\(scenario.rawValue).\(key) is \(CapacityText.number(number)): with less than \(CapacityText.number(least)) its figures say little of a "
          + "large fleet; run, without --quick: script/bench --json \(scenario.rawValue) >FILE")
    }
    var broker: BrokerVersion?
    if case .string(let name)? = object["machine"]?["broker"] { broker = name.split(separator: " ").last.flatMap { BrokerVersion($0) } }
    self.init(file: file, cores: try Self.cores(object, file), broker: broker, figures: figures, remarks: remarks)
  }

  private static func number(_ figure: CapacityFigure, _ object: JSONValue, _ file: String) throws(Failure) -> Double {
    guard let value = object[figure.scenario.rawValue]?[figure.key], value != .null else {
      // `fleet-bench steady` by itself knows no processes of broker and database.
      throw unusable(file, "\(figure.rawValue) is missing", scenario: figure.scenario)
    }
    guard let number = double(value) else {
      throw unusable(file, "\(figure.rawValue) is \(shown(value)); it must be a number", scenario: figure.scenario)
    }
    guard number.isFinite, number > 0 || figure.mayBeZero && number == 0, number < 1e12 else {
      let least = figure.mayBeZero ? "not be negative" : "be greater than 0"
      throw unusable(file, "\(figure.rawValue) is \(shown(value)); it must \(least)", scenario: figure.scenario)
    }
    return number
  }

  /// `script/bench` writes the machine's figures as texts.
  private static func cores(_ object: JSONValue, _ file: String) throws(Failure) -> Int {
    let value = object["machine"]?["cores"]
    let cores: Int? =
      switch value {
      case .string(let text): Int(text)
      case .int(let number): Int(exactly: number)
      default: nil
      }
    guard let cores, (1...100_000).contains(cores) else {
      let problem = value.map { "is \(shown($0)); it must be the number of the cores of the machine that was measured" } ?? "is missing"
      throw unusable(file, "machine.cores \(problem)")
    }
    return cores
  }

  private static func double(_ value: JSONValue?) -> Double? {
    switch value {
    case .int(let number): Double(number)
    case .double(let number): number
    default: nil
    }
  }

  private static func shown(_ value: JSONValue) -> String {
    do throws(MessageError) {
      return "'\(printable(String(String(decoding: try WireCoding.encodeJSON(value), as: UTF8.self).prefix(60))))'"
    } catch {
      return "of another kind"
    }
  }

  private static func unusable(_ file: String, _ problem: String, scenario: CapacityFigure.Scenario? = nil) -> Failure {
    let wanted = scenario?.rawValue ?? "ingest steady"
    return Failure(
      .usage, "--measurements is '\(printable(file))', which cannot be used: \(problem); write it with: script/bench --json \(wanted) >FILE"
    )
  }

  private static func read(_ file: String) throws(Failure) -> [UInt8] {
    guard let stream = fopen(file, "re") else { throw unreadable(file) }
    defer { fclose(stream) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 16_384)
    while case let count = fread(&buffer, 1, buffer.count, stream), count > 0 {
      bytes += buffer[..<count]
      guard bytes.count <= mostBytes else { throw unusable(file, "it has more than \(mostBytes) bytes") }
    }
    guard ferror(stream) == 0 else { throw unreadable(file) }
    return bytes
  }

  private static func unreadable(_ file: String) -> Failure {
    let number = errno
    return Failure(
      .usage, "--measurements is '\(printable(file))', which cannot be read: [Errno \(number)] \(String(cString: strerror(number)))")
  }
}
