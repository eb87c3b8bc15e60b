/// How TLS to the broker is checked.
public struct TLSConfiguration: Sendable, Equatable {
  /// PEM file with the authorities that are trusted; librabbitmq has no default store.
  public var certificateAuthorityFile: String
  /// The distribution's bundle.
  public static let systemAuthorities = "/etc/ssl/certs/ca-certificates.crt"

  /// Trusts the authorities in a PEM file. The peer's name is always checked (a host name: IP addresses never match), TLS 1.2 is the least.
  public init(certificateAuthorityFile: String = TLSConfiguration.systemAuthorities) {
    self.certificateAuthorityFile = certificateAuthorityFile
  }
}

/// Where and how to log in to a broker.
public struct ConnectionConfiguration: Sendable {
  /// Host name or address.
  public var host: String
  /// TCP port.
  public var port: Int
  /// Virtual host.
  public var virtualHost: String
  /// Login name.
  public var username: String
  /// Password, or the JWT that stands for it.
  public var password: String
  /// TLS, or plain when `nil`.
  public var tls: TLSConfiguration?
  /// Interval of AMQP heartbeats, whole seconds. A peer that is silent for two of them is given up.
  public var heartbeat: Duration = .seconds(20)
  /// Limit of name resolution, TCP, TLS and login together.
  public var connectTimeout: Duration = .seconds(12)
  /// Limit of one request to the broker (declare, bind, consume, …).
  public var replyTimeout: Duration = .seconds(30)
  /// Largest frame. Its size costs the client memory; 8192 is the least that RabbitMQ 4.1 and later accept.
  public var maximumFrameSize: Int = 131_072
  /// Bytes by which a frame that arrives may be larger than the negotiated limit, for a connection that only consumes; publishing on one is
  /// `.invalid`.
  ///
  /// RabbitMQ cuts bodies at the limit and headers not, and it adds to headers: a publisher whose headers fill its frame gets them through, with
  /// direct reply-to written out or a delivery count beside them they are too long for the consumer, whose librabbitmq then ends the connection
  /// ("invalid AMQP data"), and after it the next one's, for as long as the message is there.
  public var inboundFrameAllowance: Int = 0
  /// Most channels on the connection.
  public var maximumChannels: Int = 16
  /// Shown by `rabbitmqctl list_connections` and the broker's log.
  public var connectionName: String

  /// A login with the defaults above.
  public init(host: String, port: Int, virtualHost: String, username: String, password: String, connectionName: String) {
    self.host = host
    self.port = port
    self.virtualHost = virtualHost
    self.username = username
    self.password = password
    self.connectionName = connectionName
  }

  /// The login that a URL gives; `defaultVirtualHost` when it has none.
  public init(_ url: BrokerURL, defaultVirtualHost: String, connectionName: String) {
    self.init(
      host: url.host, port: url.port, virtualHost: url.virtualHost ?? defaultVirtualHost, username: url.username, password: url.password,
      connectionName: connectionName)
    if url.usesTLS { tls = TLSConfiguration() }
  }

  /// `host:port`, for messages.
  var address: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

  /// The address without the login, for logs: `amqp://host:port/vhost`.
  public var displayAddress: String { "\(tls == nil ? "amqp" : "amqps")://\(address)/\(virtualHost)" }
}
