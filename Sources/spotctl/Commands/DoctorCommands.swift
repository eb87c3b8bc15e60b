import Diagnosis
import FleetProtocol
import Server
import ServiceRuntime

/// `spotctl doctor`: prints what the doctor finds. Asks for neither database nor broker first, because their absence is a finding.
struct DoctorCommands {
  let environment: Environment
  let terminal: Terminal

  func run(_ invocation: Invocation) async throws {
    let agent = invocation.arguments["AGENT"]
    let client = invocation.values["--client"]
    guard agent != nil || client == nil else { throw UsageError("--client means nothing without AGENT", path: invocation.path) }
    let doctor = Doctor(environment, rabbitmqctl: environment["RABBITMQCTL"])
    let terminal = terminal
    // Line by line, for a person who waits. A line that could not be written is told of by the summary, which cannot be written either.
    let tell: @Sendable (Finding) -> Void = { finding in if !terminal.isJSON { try? terminal.write(DiagnosisReport.text(finding)) } }
    let report =
      if let agent {
        try await doctor.examineAgent(agent, client: client, tell: tell)
      } else {
        try await doctor.examineInstallation(tell: tell)
      }
    if terminal.isJSON {
      try terminal.writeLine(String(decoding: try WireCoding.encodeJSON(report.json), as: UTF8.self))
    } else {
      try terminal.write(report.summary)
    }
    if let path = invocation.values["--bundle"] {
      try await InstallationBundle(doctor, report).write(to: path)
      terminal.remark("wrote \(printable(path)), without secrets; look into it before you pass it on: tar -tzf '\(printable(path))'")
    }
    guard report.isHealthy else { throw CommandsOwnEnd(exitCode: ExitCode.failed.rawValue) }
  }
}
