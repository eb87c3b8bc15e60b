import Diagnosis
import FleetProtocol
import ServiceRuntime

extension Examination {
  /// Files of the commands folder that cannot be run and are told of one by one.
  private static let mostProblems = 5

  /// Whether the agent runs here.
  mutating func lookAtProcess() {
    let check = "agent process"
    guard let settings, let (_, address) = credential else { return report.skip(check, because: credentialTrouble) }
    guard trouble("SPOT_OPTIMIZER_STATE_DIR") == nil, let folder = settings.stateFolder else {
      process = .unknown("there is no state folder")
      return report.skip(check, because: "there is no state folder to see it by")
    }
    process = RunningAgent(
      of: JournalFolder.Owner(
        serverURL: settings.serverURL.description, clientID: address.clientID, logicalAgentID: address.logicalAgentID), in: folder)
    switch process {
    case .running(let id): report.add(.pass(check, "'\(printable(logicalAgentID))' runs here\(id.map { ", process \($0)" } ?? "")"))
    case .notRunning:
      report.add(
        .warn(
          check, "no agent '\(printable(logicalAgentID))' runs here with the state folder \(printable(folder.path))",
          remedy: "systemctl start spot-optimizer-agent"))
    case .unknown(let reason): report.skip(check, because: "\(reason); run the doctor as the agent's user")
    }
  }

  /// The check that the agent makes at its start, and which files it would run.
  mutating func lookAtCommandsFolder() {
    let check = "commands folder"
    guard let settings else { return report.skip(check, because: "the variables cannot be used") }
    if let bad = trouble("SPOT_OPTIMIZER_COMMANDS_DIR") { return report.skip(check, because: bad) }
    let folder = settings.commandsFolder
    let path = printable(folder.path)
    var entries: [String] = []
    do throws(ExecutableProblem) {
      entries = try folder.open().entries()
    } catch {
      if error.isAbsence { return report.add(.pass(check, "\(path) is not there: only the built-in commands can run")) }
      return report.add(.warn(check, "only the built-in commands can run: \(error.problem)", remedy: error.remedy))
    }
    var names: [String] = []
    var problems: [ExecutableProblem] = []
    for entry in entries.sorted() where !entry.hasPrefix(".") && !entry.hasSuffix(CommandsFolder.repeatableSuffix) {
      do throws(ExecutableProblem) {
        names.append(try folder.find(entry).name)
      } catch {
        // What is beside a command and has its name is what the command reads: `restart-service.allowed`.
        guard !entries.contains(where: { entry.hasPrefix("\($0).") }) else { continue }
        problems.append(error)
      }
    }
    let list = names.isEmpty ? "" : ": \(names.map(printable).joined(separator: ", "))"
    report.add(.pass(check, "\(path): \(counted(names.count, "command")) can run\(list)"))
    for problem in problems.prefix(Self.mostProblems) { report.add(.warn(check, problem.problem, remedy: problem.remedy)) }
    if problems.count > Self.mostProblems {
      report.add(.warn(check, "\(problems.count - Self.mostProblems) more files cannot be run", remedy: "ls -l '\(path)'"))
    }
  }

  /// What the agent knows of its instance, and whether AWS is about to take it back.
  mutating func lookAtMetadata() async {
    let check = "instance metadata"
    guard let settings else { return report.skip(check, because: "the variables cannot be used") }
    if let bad = trouble("AWS_EC2_METADATA_SERVICE_ENDPOINT") { return report.skip(check, because: bad) }
    guard let endpoint = settings.metadataEndpoint else {
      return report.add(.pass(check, "not asked, as AWS_EC2_METADATA_DISABLED wants it"))
    }
    guard let instanceID = metadata.instanceID else {
      return report.add(
        .warn(
          check, "\(endpoint) names no instance within \(metadataTook.inMilliseconds): not on EC2, or the service is switched off",
          remedy: "on EC2: aws ec2 modify-instance-metadata-options --http-endpoint enabled --instance-id …; elsewhere: "
            + "export AWS_EC2_METADATA_DISABLED=true"))
    }
    let facts = [instanceID, metadata.instanceType, metadata.availabilityZone ?? metadata.region, metadata.mode.rawValue].compactMap(\.self)
    report.add(.pass(check, "\(facts.map(printable).joined(separator: ", ")), told in \(metadataTook.inMilliseconds)"))
    guard metadata.mode == .spot else { return }
    let service = SpotNoticeService(endpoint: endpoint, timeout: timings.metadataTimeout)
    defer { service.close() }
    for kind in SpotNotice.Kind.allCases {
      switch await service.ask(kind) {
      case .none: continue
      case .notice(let notice):
        report.add(
          .warn(
            "spot notice", "AWS says \(kind.rawValue)\(notice.action.map { " (\($0))" } ?? "") at \(notice.time.localText)",
            remedy: "let its work move: on the server, spotctl reactions list"))
      case .problem(let text):
        report.add(.warn("spot notice", "\(kind.rawValue): \(text)", remedy: "curl -i \(endpoint)/latest/meta-data/"))
      }
    }
  }
}
