import FleetProtocol
import ServiceRuntime

/// `spotctl capacity`: needs neither database nor broker, and looks at nothing but this machine's size.
struct CapacityCommand {
  static let mostCores = 4096
  static let mostGibibytes = 65_536
  static let mostOpenFiles = 1 << 30
  /// The agents' own range of `HEARTBEAT_INTERVAL`.
  static let intervals = 1...3600

  let terminal: Terminal

  func run(_ invocation: Invocation) throws {
    let report = try Self.report(invocation, on: .here())
    if terminal.isJSON {
      try terminal.writeLine(String(decoding: try WireCoding.encodeJSON(report.json), as: UTF8.self))
    } else {
      for remark in report.remarks { terminal.remark(remark) }
      try terminal.write(report.text)
    }
    guard report.fits else { throw CommandsOwnEnd(exitCode: ExitCode.failed.rawValue) }
  }

  /// The answer to a command line; of the machine, what the line does not say is that of `here`.
  static func report(_ invocation: Invocation, on here: CapacityMachine) throws -> CapacityReport {
    guard invocation.values["--agents"] != nil else {
      throw UsageError("--agents is missing: how many there are to be, such as --agents 10000", path: invocation.path)
    }
    var load = CapacityLoad(
      agents: try invocation.integer("--agents", default: 1, in: 1...CapacityModel.mostAgents),
      interval: Int(try invocation.duration("--interval", in: intervals)?.components.seconds ?? 30))
    if let within = try invocation.duration("--back-within", in: 1...86_400) { load.backWithin = Int(within.components.seconds) }
    var machine = here
    machine.cores = try invocation.integer("--cores", default: here.cores, in: 1...mostCores)
    if invocation.values["--memory"] != nil {
      machine.memory = Double(try invocation.integer("--memory", default: 1, in: 1...mostGibibytes)) * CapacityMachine.gibibyte
    }
    // A machine of another size is another machine: what this shell may open says nothing of it.
    let isElsewhere = invocation.values["--cores"] != nil || invocation.values["--memory"] != nil
    machine.openFiles = try invocation.integer(
      "--open-files", default: isElsewhere ? CapacityReference.debianOpenFiles : here.openFiles, in: 1...mostOpenFiles)
    let headroom = try invocation.integer("--headroom", default: 30, in: 0...90)
    let measurements = try invocation.values["--measurements"].map { file throws(Failure) in try CapacityMeasurements(file: file) }
    let model = CapacityModel(measurements ?? .reference, broker: try broker(invocation, measurements))
    return CapacityReport(
      model, load, on: machine, budget: Double(100 - headroom) / 100,
      openFiles: invocation.values["--open-files"] == nil ? CapacityReference.debianOpenFiles : machine.openFiles,
      shellLimit: invocation.values["--open-files"] == nil && machine.openFiles < CapacityReference.debianOpenFiles
        ? machine.openFiles : nil)
  }

  /// The release that was asked for, else the one that was measured, else the oldest, which costs the most.
  private static func broker(_ invocation: Invocation, _ measurements: CapacityMeasurements?) throws(UsageError) -> BrokerVersion {
    let oldest = CapacityReference.brokers[0].version
    guard let text = invocation.values["--broker"] else { return measurements?.broker ?? oldest }
    guard let version = BrokerVersion(text), version >= oldest else {
      throw UsageError("--broker is '\(printable(text))'; it must be a version of RabbitMQ, \(oldest) or newer", path: invocation.path)
    }
    return version
  }
}
