import ServiceRuntime

/// The answer of `POST /api/broker/credentials`: where the broker is and how to log in to it.
public struct CredentialReply: WireMessage, CustomStringConvertible, CustomDebugStringConvertible {
  /// The brokers, `amqp://host:port` or `amqps://host:port`, without a login; any of them will do.
  public var brokers: [String]
  /// The virtual host.
  public var vhost: String
  /// The user name for the login and the `user_id` of every message.
  public var username: String
  /// The password: a signed token. It is a secret.
  public var credential: String
  /// When the credential ends.
  public var expiresAt: Timestamp
  /// The client the token belongs to.
  public var clientID: String
  /// The name the credential is for.
  public var logicalAgentID: String
  /// The routing key for each kind of message.
  public var routingKeys: [String: String]
  /// Seconds between heartbeats.
  public var heartbeatIntervalSeconds: Int
  /// How long credentials live, in seconds; the agent renews at 80 % of it.
  public var credentialTTLSeconds: Int
  /// The server's clock.
  public var serverTime: Timestamp

  /// An answer; see the properties.
  public init(
    brokers: [String], vhost: String, username: String, credential: String, expiresAt: Timestamp, clientID: String, logicalAgentID: String,
    routingKeys: [String: String], heartbeatIntervalSeconds: Int, credentialTTLSeconds: Int, serverTime: Timestamp
  ) {
    self.brokers = brokers
    self.vhost = vhost
    self.username = username
    self.credential = credential
    self.expiresAt = expiresAt
    self.clientID = clientID
    self.logicalAgentID = logicalAgentID
    self.routingKeys = routingKeys
    self.heartbeatIntervalSeconds = heartbeatIntervalSeconds
    self.credentialTTLSeconds = credentialTTLSeconds
    self.serverTime = serverTime
  }

  /// The answer for an agent: names and routing keys follow from its address.
  public init(
    address: AgentAddress, brokers: [String], vhost: String, credential: String, expiresAt: Timestamp, heartbeatIntervalSeconds: Int,
    credentialTTLSeconds: Int, serverTime: Timestamp
  ) {
    self.init(
      brokers: brokers, vhost: vhost, username: address.username, credential: credential, expiresAt: expiresAt, clientID: address.clientID,
      logicalAgentID: address.logicalAgentID,
      routingKeys: Dictionary(uniqueKeysWithValues: MessageKind.allCases.map { ($0.rawValue, address.routingKey($0)) }),
      heartbeatIntervalSeconds: heartbeatIntervalSeconds, credentialTTLSeconds: credentialTTLSeconds, serverTime: serverTime)
  }

  /// Lengths and ranges; every kind has its routing key, and no broker's URL carries a login.
  public func validate() throws(MessageError) {
    guard !brokers.isEmpty else { throw MessageError(field: "brokers", problem: "is empty; at least one amqp:// URL must be there") }
    try MessageLimits.count(brokers.count, "brokers", most: MessageLimits.brokers)
    for broker in brokers {
      try MessageLimits.text(broker, "brokers", most: MessageLimits.credentialBytes)
      guard broker.hasPrefix("amqp://") || broker.hasPrefix("amqps://") else {
        throw MessageError(field: "brokers", problem: "holds '\(shown(broker))', which begins with neither amqp:// nor amqps://")
      }
      guard !broker.utf8.contains(UInt8(ascii: "@")) else {
        throw MessageError(field: "brokers", problem: "holds a URL with a login in it; the credential is the login")
      }
    }
    try MessageLimits.text(vhost, "vhost", most: Topology.longestName)
    try MessageLimits.text(username, "username", most: Topology.longestName)
    try MessageLimits.text(credential, "credential", most: MessageLimits.credentialBytes)
    try MessageLimits.text(clientID, "client_id", most: MessageLimits.logicalIDBytes)
    try MessageLimits.text(logicalAgentID, "logical_agent_id", most: MessageLimits.logicalIDBytes)
    for kind in MessageKind.allCases {
      guard let key = routingKeys[kind.rawValue] else {
        throw MessageError(field: "routing_keys.\(kind.rawValue)", problem: "is missing")
      }
      try MessageLimits.text(key, "routing_keys.\(kind.rawValue)", most: Topology.longestName)
    }
    try MessageLimits.number(heartbeatIntervalSeconds, "heartbeat_interval_seconds", in: 1...MessageLimits.longestSeconds)
    try MessageLimits.number(credentialTTLSeconds, "credential_ttl_seconds", in: 1...(365 * 24 * 3600))
  }

  /// Without the credential.
  public var description: String { "CredentialReply(username: \(username), brokers: \(brokers), expires: \(expiresAt.iso8601))" }
  /// Without the credential.
  public var debugDescription: String { description }

  enum CodingKeys: String, CodingKey {
    case brokers, vhost, username, credential
    case expiresAt = "expires_at"
    case clientID = "client_id"
    case logicalAgentID = "logical_agent_id"
    case routingKeys = "routing_keys"
    case heartbeatIntervalSeconds = "heartbeat_interval_seconds"
    case credentialTTLSeconds = "credential_ttl_seconds"
    case serverTime = "server_time"
  }
}
