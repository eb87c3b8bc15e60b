import AMQP
import Diagnosis
import FleetProtocol
import MySQL
import ServiceRuntime

/// What somebody who helps needs to see of an installation, as one archive without secrets: the guide's "collect diagnostic information".
public struct InstallationBundle: Sendable {
  private static let logFileVariable = "SPOT_OPTIMIZER_LOG_FILE"
  /// The variables of the server and of this tool.
  private static let variables = [
    "AMQP_URL", "AMQP_CA_FILE", "DB_HOST", "DB_PORT", "DB_USER", "DB_PASSWORD", "DB_NAME", "DB_POOL_SIZE", "DB_SSL_CA",
    "SPOT_OPTIMIZER_KEYS_DIR", "SPOT_OPTIMIZER_SERVER_ROLE", "HTTP_HOST", "HTTP_PORT", "AGENT_BROKER_URLS", "BROKER_CREDENTIAL_TTL",
    "AGENT_HEARTBEAT_TIMEOUT", "HEARTBEAT_INTERVAL", "SPOT_OPTIMIZER_RETENTION_DAYS", "LOG_LEVEL", "LOG_FORMAT", logFileVariable,
    "RABBITMQCTL", "TZ",
  ]

  private let doctor: Doctor
  private let report: DiagnosisReport

  /// A bundle about what `doctor` found.
  public init(_ doctor: Doctor, _ report: DiagnosisReport) {
    self.doctor = doctor
    self.report = report
  }

  /// Collects it, some seconds long, and writes the archive. Throws `DiagnosticBundle.Problem`.
  public func write(to path: String) async throws {
    // A bad variable is a finding of the report already.
    let settings = try? ServerConfiguration(doctor.environment)
    let database = await DatabaseSummary(settings?.database.configuration)
    let secrets = BundleSecrets(database.tokens + Self.passwords(settings))
    let parts: [(name: String, text: String)] = [
      ("report.txt", report.text), ("report.json", String(decoding: try WireCoding.encodeJSON(report.json), as: UTF8.self) + "\n"),
      ("environment.txt", environment()),
      ("server.log", await SystemTool.logFile(doctor.environment[Self.logFileVariable], Self.logFileVariable)),
      ("journal.log", await SystemTool.journal(of: "spot-optimizer-server")), ("database.txt", database.text),
      ("broker.txt", await broker(settings)), ("network.txt", await network(settings)), ("system.txt", await system()),
      ("versions.txt", await versions()),
    ]
    var bundle = DiagnosticBundle(name: "spot-optimizer-server-\(Timestamp.now().iso8601.filter(\.isNumber).prefix(14))")
    for part in parts { bundle.add(part.name, secrets.removed(from: part.text)) }
    try bundle.write(to: path)
  }

  private func environment() -> String {
    Self.variables.map { name in
      guard let value = doctor.environment[name] else { return "\(name) is not set\n" }
      switch name {
      case "DB_PASSWORD": return "\(name)=(set, \(counted(value.count, "character")))\n"
      case "AMQP_URL":
        guard let url = try? BrokerURL(value, name: name) else { return "\(name)=(set, and cannot be read)\n" }
        return "\(name)=\(url) (user '\(printable(url.username))', password \(url.password.isEmpty ? "empty" : "set"))\n"
      default: return "\(name)=\(printable(value))\n"
      }
    }.joined()
  }

  private static func passwords(_ settings: ServerConfiguration?) -> [String] {
    guard let settings else { return [] }
    let password = settings.broker.url.password
    return [settings.database.configuration.password, password, PercentEncoding.encode(password)]
  }

  private func broker(_ settings: ServerConfiguration?) async -> String {
    guard let settings else { return "the variables cannot be used\n" }
    guard let tool = BrokerTool(doctor.rabbitmqctl, brokerHost: settings.broker.url.host) else {
      return "rabbitmqctl cannot be called from here; set RABBITMQCTL to how it is called on the broker\n"
    }
    let host = settings.broker.virtualHost
    let queues = await tool.run(["list_queues", "--vhost", host, "name", "messages_ready", "messages_unacknowledged", "consumers"]).text
    let lines = queues.split(separator: "\n")
    // Only the server's own, because a fleet has a queue an agent; all of it when it is no list but an error.
    let own = lines.filter { line in Topology.serverQueues.contains { line.hasPrefix($0) } }
    var text = "== the server's queues, of \(lines.count) lines in all: name, ready, unacknowledged, consumers\n"
    text += own.isEmpty ? Self.start(of: queues) : own.joined(separator: "\n") + "\n"
    for words in [
      ["status"], ["cluster_status"], ["list_vhosts"], ["list_policies", "--vhost", host],
      ["list_exchanges", "--vhost", host, "name", "type", "durable"], ["list_connections", "user", "state", "name", "connected_at"],
    ] { text += "\n== rabbitmqctl \(words.joined(separator: " "))\n" + Self.start(of: await tool.run(words).text) }
    return text
  }

  /// Of a list with a line for each agent, the first ones.
  private static func start(of text: String) -> String {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    guard lines.count > 300 else { return text }
    return lines.prefix(300).joined(separator: "\n") + "\n… \(lines.count - 300) more lines\n"
  }

  private func network(_ settings: ServerConfiguration?) async -> String {
    var text =
      "== addresses\n" + (await SystemTool.answer(["ip", "-brief", "address"])) + "== listening\n"
      + (await SystemTool.answer(["ss", "-ltn"]))
    guard let settings else { return text }
    for host in Set([settings.database.configuration.host, settings.broker.url.host]).sorted() {
      text += "== \(printable(host))\n" + (await SystemTool.answer(["getent", "ahosts", host]))
    }
    return text
  }

  private func system() async -> String {
    await SystemTool.answers([
      ["date"], ["timedatectl", "--no-pager"], ["uname", "-a"], ["cat", "/etc/os-release"], ["uptime"], ["free", "-m"], ["df", "-h"],
      ["systemctl", "status", "--no-pager", "--lines=0", "spot-optimizer-server", "rabbitmq-server", "mariadb", "mysql"],
    ])
  }

  private func versions() async -> String {
    "spotctl \(programVersion)\n"
      + (await SystemTool.answers([["spot-optimizer-server", "--version"], ["openssl", "version"], ["mysql", "--version"]]))
  }
}
