import Diagnosis
import ServiceRuntime

extension Examination {
  /// Reads the variables as the server does. Each bad one is a finding, and the others are read on as if it were not set.
  mutating func lookAtVariables() {
    let check = "variables"
    var environment = doctor.environment
    var bad: Set<String> = []
    while settings == nil {
      do throws(ConfigurationError) {
        settings = try ServerConfiguration(environment)
      } catch {
        report.add(.fail(check, "\(error.name) \(error.problem)", remedy: error.remedy))
        guard bad.insert(error.name).inserted else { return }
        // What cannot be left out is replaced, so that the others are looked at; nothing is done with it.
        environment = environment.replacing(error.name, with: error.name == "AMQP_URL" ? "amqp://none:none@localhost" : nil)
      }
    }
    guard let settings else { return }
    for warning in settings.warnings { report.add(.warn(check, warning, remedy: "change it in the server's environment file")) }
    if bad.isEmpty {
      let addresses = "database \(settings.database.configuration), broker \(settings.broker.connection(named: "").displayAddress)"
      report.add(.pass(check, "\(addresses), keys in \(settings.keysDirectory)"))
    }
    if bad.allSatisfy({ !$0.hasPrefix("DB_") }) { databaseTrouble = "" }
    if bad.allSatisfy({ !$0.hasPrefix("AMQP_") }) { brokerTrouble = "" }
  }
}
