import Diagnosis
import Glibc
import ServiceRuntime

extension Examination {
  /// Stands in for a bad variable that cannot be left out, so that the others are looked at. Nothing is done with it.
  private static let substitutes = ["SPOT_OPTIMIZER_SERVER_URL": "http://none.invalid", "SPOT_OPTIMIZER_CLIENT_TOKEN": "none"]

  /// Reads the variables as the agent does, but makes no folder. Each bad one is a finding, and the others are read on as if it were not set.
  mutating func lookAtVariables() async {
    let check = "variables"
    var environment = doctor.environment
    while settings == nil {
      do throws(ConfigurationError) {
        settings = try AgentSettings(environment, makesFolders: false)
      } catch {
        report.add(.fail(check, "\(error.name) \(error.problem)", remedy: error.remedy))
        guard badVariables.insert(error.name).inserted else { return }
        environment = environment.replacing(error.name, with: Self.substitutes[error.name])
      }
    }
    guard let settings else { return }
    await readMetadata(settings)
    logicalAgentID = settings.logicalAgentID ?? metadata.instanceID ?? hostName()
    let origin = settings.logicalAgentID != nil ? "LOGICAL_AGENT_ID" : metadata.instanceID != nil ? "the instance's id" : "the host name"
    if badVariables.isEmpty {
      report.add(
        .pass(
          check, "server \(settings.serverURL), token \(settings.clientToken.preview), agent '\(printable(logicalAgentID))' (\(origin))"))
    }
    lookAtStateFolder(settings)
    if let path = settings.logFile { report.add(Self.logFile(path)) }
  }

  /// Early, because the agent's name may follow from it; told of at the end.
  private mutating func readMetadata(_ settings: AgentSettings) async {
    guard trouble("AWS_EC2_METADATA_SERVICE_ENDPOINT") == nil, let endpoint = settings.metadataEndpoint else { return }
    let started = ContinuousClock.now
    metadata = await MetadataService(endpoint: endpoint, timings).read()
    metadataTook = started.duration(to: .now)
  }

  private mutating func lookAtStateFolder(_ settings: AgentSettings) {
    let check = "state folder"
    if let bad = trouble("SPOT_OPTIMIZER_STATE_DIR") { return report.skip(check, because: bad) }
    if let folder = settings.stateFolder {
      let words = access(folder.path, F_OK) == 0 ? "can be written" : "is made at the agent's first start"
      return report.add(.pass(check, "\(printable(folder.path)) \(words)"))
    }
    // The settings have none because nobody named it and the default one is no use: the agent goes on without, and says why.
    do throws(ConfigurationError) {
      _ = try StateFolder(doctor.environment, makes: false)
    } catch {
      report.add(
        .warn(
          check, "\(error.name) \(error.problem): neither the credential nor commands are kept, and a command may run twice",
          remedy: error.remedy))
    }
  }

  /// Looked at without opening it, which would make it.
  private static func logFile(_ path: String) -> Finding {
    let check = "log file"
    let folder = path.contains("/") ? String(path[..<path.lastIndex(of: "/")!]) : "."
    let isThere = access(path, F_OK) == 0
    guard access(isThere ? path : folder.isEmpty ? "/" : folder, W_OK) == 0 else {
      let why = "[Errno \(errno)] \(String(cString: strerror(errno)))"
      return .fail(
        check, "\(printable(path)) cannot be \(isThere ? "written" : "made"): \(why)",
        remedy: "set SPOT_OPTIMIZER_LOG_FILE to a file that this user may write, or unset it")
    }
    return .pass(check, "\(printable(path)) can be \(isThere ? "written" : "made")")
  }
}
