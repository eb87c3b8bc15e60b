import Diagnosis
import FleetProtocol
import ServiceRuntime

/// What somebody who helps needs to see of an agent and its machine, as one archive without secrets: the guide's "collect diagnostic information".
struct AgentBundle: Sendable {
  private static let tokenVariable = "SPOT_OPTIMIZER_CLIENT_TOKEN"
  private static let logFileVariable = "SPOT_OPTIMIZER_LOG_FILE"
  /// The variables of the agent, and those that libcurl heeds.
  private static let variables = [
    "SPOT_OPTIMIZER_SERVER_URL", tokenVariable, "LOGICAL_AGENT_ID", "AWS_REGION", "HEARTBEAT_INTERVAL", "LOG_LEVEL", "LOG_FORMAT",
    logFileVariable, "SPOT_OPTIMIZER_STATE_DIR", "XDG_STATE_HOME", "HOME", "SPOT_OPTIMIZER_CA_FILE", "SPOT_OPTIMIZER_COMMANDS_DIR",
    "SPOT_OPTIMIZER_MAX_CONCURRENT_COMMANDS", "SPOT_OPTIMIZER_TAGS", "AWS_EC2_METADATA_SERVICE_ENDPOINT", "AWS_EC2_METADATA_DISABLED",
    "PENDING_COMMANDS_CHECK_INTERVAL", "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY", "PATH",
    "TZ",
  ]

  private let doctor: AgentDoctor
  private let report: DiagnosisReport

  /// A bundle about what `doctor` found.
  init(_ doctor: AgentDoctor, _ report: DiagnosisReport) {
    self.doctor = doctor
    self.report = report
  }

  /// Collects it, some seconds long, and writes the archive. Throws `DiagnosticBundle.Problem`.
  func write(to path: String) async throws {
    // A bad variable is a finding of the report already.
    let settings = try? AgentSettings(doctor.environment, makesFolders: false)
    let secrets = BundleSecrets([doctor.environment[Self.tokenVariable] ?? ""])
    let parts: [(name: String, text: String)] = [
      ("report.txt", report.text), ("report.json", String(decoding: try WireCoding.encodeJSON(report.json), as: UTF8.self) + "\n"),
      ("environment.txt", environment()),
      ("agent.log", await SystemTool.logFile(doctor.environment[Self.logFileVariable], Self.logFileVariable)),
      ("journal.log", await SystemTool.journal(of: "spot-optimizer-agent")), ("folders.txt", await folders(settings)),
      ("network.txt", await network(settings)), ("system.txt", await system()), ("versions.txt", await versions()),
    ]
    var bundle = DiagnosticBundle(name: "spot-optimizer-agent-\(Timestamp.now().iso8601.filter(\.isNumber).prefix(14))")
    for part in parts { bundle.add(part.name, secrets.removed(from: part.text)) }
    try bundle.write(to: path)
  }

  private func environment() -> String {
    Self.variables.map { name in
      guard let value = doctor.environment[name] else { return "\(name) is not set\n" }
      if name == Self.tokenVariable { return "\(name)=(set, \(tokenPreview(value)))\n" }
      return "\(name)=\(printable(Self.withoutLogin(value)))\n"
    }.joined()
  }

  /// A proxy's URL may carry a login, and so may a server's that is refused for that.
  static func withoutLogin(_ value: String) -> String {
    guard let scheme = value.firstRange(of: "://") ?? value.firstRange(of: "//"), let at = value.lastIndex(of: "@"), at > scheme.upperBound
    else {
      return value
    }
    return "\(value[..<scheme.upperBound])(login)\(value[at...])"
  }

  private func folders(_ settings: AgentSettings?) async -> String {
    guard let settings else { return "the variables cannot be used\n" }
    let paths = [settings.stateFolder?.path, settings.commandsFolder.path].compactMap(\.self)
    return await SystemTool.answers([["id"]] + paths.map { ["ls", "-la", "--", $0] })
  }

  private func network(_ settings: AgentSettings?) async -> String {
    var commands = [
      ["ip", "-brief", "address"], ["ip", "route"], ["ip", "-6", "route"], ["cat", "/etc/resolv.conf"], ["cat", "/etc/hosts"],
    ]
    if let host = settings?.serverURL.host { commands.append(["getent", "ahosts", host]) }
    return await SystemTool.answers(commands)
  }

  private func system() async -> String {
    await SystemTool.answers([
      ["date"], ["timedatectl", "--no-pager"], ["uname", "-a"], ["cat", "/etc/os-release"], ["uptime"], ["free", "-m"], ["df", "-h"],
      ["systemctl", "status", "--no-pager", "--lines=0", "spot-optimizer-agent"],
    ])
  }

  private func versions() async -> String {
    "spot-optimizer-agent \(programVersion)\n"
      + (await SystemTool.answers([
        ["openssl", "version"], ["curl", "--version"], ["dpkg-query", "--show", "spot-optimizer-agent", "librabbitmq4", "libcurl4"],
      ]))
  }
}
