import AMQP
import FleetProtocol
import MySQL
import ServiceRuntime

/// Everything a server process is told by its environment, checked at start: a wrong value stops it there with the value and the remedy.
public struct ServerConfiguration: Sendable {
  /// Which parts run in this process (`SPOT_OPTIMIZER_SERVER_ROLE`, or `--role`).
  public let role: ServerRole
  /// The database.
  public let database: DatabaseSettings
  /// The server's login at the broker.
  public let broker: BrokerSettings
  /// `AGENT_BROKER_URLS`: where agents find the broker, `amqp[s]://host:port` without a login.
  public let agentBrokers: [String]
  /// `BROKER_CREDENTIAL_TTL`: how long an agent's credential is valid.
  public let credentialLifetime: Duration
  /// `SPOT_OPTIMIZER_KEYS_DIR`: the folder of the signing keys.
  public let keysDirectory: String
  /// `HTTP_HOST`: the address the front listens on.
  public let httpHost: String
  /// `HTTP_PORT`; 0 picks a free one.
  public let httpPort: Int
  /// `METRICS_PORT`: the port of the page of metrics, 0 picks a free one; `nil`: the front's.
  public let metricsPort: Int?
  /// `METRICS_HOST`: the address of that port.
  public let metricsHost: String
  /// `AGENT_HEARTBEAT_TIMEOUT`: the silence after which an agent is offline.
  public let heartbeatTimeout: Duration
  /// `HEARTBEAT_INTERVAL`: what agents are told.
  public let heartbeatInterval: Duration
  /// `SPOT_OPTIMIZER_RETENTION_DAYS`: how long commands and rollouts that have ended, system events and spot notices are kept. Seven days at least: for so
  /// long agents remember what they have run and their queues live, so that word of a command may still come.
  public let retentionDays: Int
  /// `LOG_LEVEL`.
  public let logLevel: LogLevel
  /// `LOG_FORMAT`.
  public let logFormat: LogFormat
  /// `SPOT_OPTIMIZER_LOG_FILE`: the file that the log goes to besides standard error.
  public let logFile: String?
  /// What is allowed and yet probably not meant; for the log at start.
  public let warnings: [String]

  /// Reads and checks the variables. `role` is the value of `--role`, which goes before the variable.
  public init(_ environment: Environment, role argument: String? = nil) throws(ConfigurationError) {
    logLevel = try environment.choice("LOG_LEVEL", default: .info)
    logFormat = try environment.choice("LOG_FORMAT", default: LogFormat.text)
    logFile = environment["SPOT_OPTIMIZER_LOG_FILE"]
    role = try Self.role(environment, argument)
    database = try DatabaseSettings(environment)
    broker = try BrokerSettings(environment)
    agentBrokers = try Self.agentBrokers(environment, default: broker.url)
    credentialLifetime = try environment.seconds("BROKER_CREDENTIAL_TTL", default: 86_400, in: 60...604_800)
    keysDirectory = Self.keysDirectory(environment)
    httpHost = environment.string("HTTP_HOST", default: "0.0.0.0")
    httpPort = try environment.integer("HTTP_PORT", default: 5000, in: 0...65_535)
    metricsPort = try environment.integer("METRICS_PORT", in: 0...65_535)
    metricsHost = environment["METRICS_HOST"] ?? httpHost
    if role.runsFront, httpPort != 0, metricsPort == httpPort, metricsHost == httpHost {
      throw ConfigurationError(
        name: "METRICS_PORT", problem: "is \(httpPort), where the HTTP front listens (HTTP_PORT)",
        remedy: "unset it to have the metrics there, or set it to another port")
    }
    heartbeatTimeout = try environment.seconds("AGENT_HEARTBEAT_TIMEOUT", default: 120, in: 1...86_400)
    heartbeatInterval = try environment.seconds("HEARTBEAT_INTERVAL", default: 30, in: 1...3600)
    retentionDays = try environment.integer("SPOT_OPTIMIZER_RETENTION_DAYS", default: 30, in: 7...3650)
    var warnings = database.warnings
    if heartbeatTimeout <= heartbeatInterval {
      warnings.append(
        "AGENT_HEARTBEAT_TIMEOUT is \(heartbeatTimeout.components.seconds) s and HEARTBEAT_INTERVAL is "
          + "\(heartbeatInterval.components.seconds) s: agents that keep to it look offline between heartbeats; raise the time-out")
    }
    if metricsPort == nil, environment["METRICS_HOST"] != nil {
      warnings.append("METRICS_HOST is set and METRICS_PORT is not: the metrics are on the HTTP front's port; set METRICS_PORT too")
    }
    self.warnings = warnings
  }

  /// `SPOT_OPTIMIZER_KEYS_DIR` or its default; `spotctl keys` reads it too.
  public static func keysDirectory(_ environment: Environment) -> String {
    environment.string("SPOT_OPTIMIZER_KEYS_DIR", default: "/etc/spot-optimizer/keys")
  }

  private static func role(_ environment: Environment, _ argument: String?) throws(ConfigurationError) -> ServerRole {
    guard let argument else { return try environment.choice("SPOT_OPTIMIZER_SERVER_ROLE", default: .all) }
    guard let role = ServerRole(rawValue: argument) else {
      throw ConfigurationError(
        name: "--role", problem: "is '\(printable(argument))', which is none of its values",
        remedy: "choose one of \(ServerRole.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    return role
  }

  private static func agentBrokers(_ environment: Environment, default own: BrokerURL) throws(ConfigurationError) -> [String] {
    let name = "AGENT_BROKER_URLS"
    guard let text = environment[name] else { return [address(own)] }
    let words = text.split(separator: ",").map { String($0).trimmingWhitespace() }.filter { !$0.isEmpty }
    guard (1...MessageLimits.brokers).contains(words.count) else {
      throw ConfigurationError(
        name: name, problem: "has \(words.count) addresses", remedy: "give 1 to \(MessageLimits.brokers), separated by commas")
    }
    var addresses: [String] = []
    for word in words {
      guard word.contains("://") else {
        // Not shown: what stands there may hold a login.
        throw ConfigurationError(
          name: name, problem: "has an address without a scheme", remedy: "write amqp://host:port, or amqps://host:port")
      }
      let url = try BrokerURL(word, name: name)
      guard url.username.isEmpty, url.password.isEmpty else {
        throw ConfigurationError(
          name: name, problem: "has a login in the address \(url)", remedy: "write amqp://host:port; agents log in with their credential")
      }
      guard url.virtualHost == nil || url.virtualHost == "" else {
        throw ConfigurationError(
          name: name, problem: "has a vhost in the address \(url)", remedy: "write amqp://host:port; the vhost is that of AMQP_URL")
      }
      addresses.append(address(url))
    }
    return addresses
  }

  private static func address(_ url: BrokerURL) -> String {
    var address = url
    address.virtualHost = nil
    return address.description
  }
}
