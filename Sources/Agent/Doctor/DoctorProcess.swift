import Diagnosis
import FleetProtocol
import Glibc
import ServiceRuntime

/// `spot-optimizer-agent doctor` as a process: it prints what the doctor finds.
public enum DoctorProcess {
  /// Runs the doctor and returns the exit code: 0 when nothing failed, 1 when something did or the bundle could not be written.
  ///
  /// Line by line, for a person who waits. What cannot be written to standard output has nobody who would read it.
  public static func run(_ options: DoctorOptions, _ environment: Environment) async -> Int32 {
    let doctor = AgentDoctor(environment)
    do {
      let report = try await doctor.examine { finding in
        if !options.isJSON { writeFully(DiagnosisReport.text(finding), to: STDOUT_FILENO) }
      }
      let end = options.isJSON ? String(decoding: try WireCoding.encodeJSON(report.json), as: UTF8.self) + "\n" : report.summary
      writeFully(end, to: STDOUT_FILENO)
      if let path = options.bundle {
        try await AgentBundle(doctor, report).write(to: path)
        let shown = printable(path)
        remark("wrote \(shown), without secrets; look into it before you pass it on: tar -tzf '\(shown)'")
      }
      return report.isHealthy ? 0 : 1
    } catch {
      remark("\(error)")
      return 1
    }
  }

  private static func remark(_ text: String) { writeFully("spot-optimizer-agent: \(text)\n", to: STDERR_FILENO) }
}
