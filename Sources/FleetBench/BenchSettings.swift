import FleetProtocol
import Server
import ServiceRuntime

/// The environment of a benchmark: the server's, read by the server's own rules.
struct BenchSettings: Sendable {
  let database: DatabaseSettings
  let broker: BrokerSettings
  /// The folder of the keys that sign the agents' credentials.
  let keysDirectory: String
  /// `RABBITMQCTL`: how to call `rabbitmqctl` on the broker, as words of a shell.
  let rabbitmqctl: String?

  init(_ environment: Environment) throws(ConfigurationError) {
    database = try DatabaseSettings(environment)
    broker = try BrokerSettings(environment)
    keysDirectory = ServerConfiguration.keysDirectory(environment)
    rabbitmqctl = environment["RABBITMQCTL"]
  }
}
