import AMQP
import FleetProtocol
import ServiceRuntime

/// The broker as `AMQP_URL` and `AMQP_CA_FILE` say: for the server and for `spotctl` alike.
public struct BrokerSettings: Sendable {
  /// The server's login. Its description never shows the password.
  public let url: BrokerURL
  /// PEM file of the authorities to trust for `amqps`; the system's when `nil`.
  public let authorityFile: String?

  /// Reads the variables; `AMQP_URL` must be there and hold a login.
  public init(_ environment: Environment) throws(ConfigurationError) {
    let text = try environment.required(
      "AMQP_URL", remedy: "set it to the server's login at the broker, amqp://user:password@host:5672/\(Topology.defaultVirtualHost)")
    url = try BrokerURL(text, name: "AMQP_URL")
    guard !url.username.isEmpty else {
      throw ConfigurationError(
        name: "AMQP_URL", problem: "is \(url), which has no user and password", remedy: "write it as amqp://user:password@host:5672/vhost")
    }
    authorityFile = try environment.readableFile(
      "AMQP_CA_FILE", content: "the PEM file of the authority that signed the broker's certificate")
  }

  /// The virtual host: that of the URL, else the topology's.
  public var virtualHost: String { url.virtualHost ?? Topology.defaultVirtualHost }

  /// A login under the name that the broker's tools are to show.
  public func connection(named name: String) -> ConnectionConfiguration {
    var configuration = ConnectionConfiguration(url, defaultVirtualHost: Topology.defaultVirtualHost, connectionName: name)
    if url.usesTLS, let authorityFile { configuration.tls = TLSConfiguration(certificateAuthorityFile: authorityFile) }
    return configuration
  }
}
