import FleetProtocol
import ServiceRuntime

/// Hands out the agents' credentials for the broker: what `POST /api/broker/credentials` answers.
public final class CredentialDesk: Sendable {
  /// How often the keys' folder is looked at, at most: a new current key signs after so long.
  public static let reloadInterval: Duration = .seconds(10)

  /// What every answer says.
  public struct Terms: Sendable {
    /// Where agents find the broker, `amqp[s]://host:port`.
    public var brokers: [String]
    /// The virtual host.
    public var virtualHost: String
    /// How long a credential is valid.
    public var lifetime: Duration
    /// The interval between heartbeats that agents are told.
    public var heartbeatInterval: Duration

    /// Terms; see the properties.
    public init(brokers: [String], virtualHost: String, lifetime: Duration, heartbeatInterval: Duration) {
      self.brokers = brokers
      self.virtualHost = virtualHost
      self.lifetime = lifetime
      self.heartbeatInterval = heartbeatInterval
    }
  }

  private struct Keys {
    var ring: KeyRing
    var readAt: ContinuousClock.Instant
  }

  private let folder: String
  private let terms: Terms
  private let logger: Logger
  private let keys: Lock<Keys>

  /// Reads the keys' folder; throws when it holds no usable current key.
  public init(keysDirectory: String, terms: Terms, logger: Logger) throws(ConfigurationError) {
    folder = keysDirectory
    self.terms = terms
    self.logger = logger
    keys = Lock(Keys(ring: try KeyRing(folder: keysDirectory), readAt: .now))
  }

  /// A credential for an agent, valid from `now`, which is also what the agent is told of the server's clock.
  public func reply(for address: AgentAddress, now: Timestamp) throws(CryptoError) -> CredentialReply {
    let (token, expiresAt) = try Credential.issue(
      for: address, virtualHost: terms.virtualHost, key: currentKey(), issuedAt: now, lifetime: terms.lifetime)
    return CredentialReply(
      address: address, brokers: terms.brokers, vhost: terms.virtualHost, credential: token, expiresAt: expiresAt,
      heartbeatIntervalSeconds: Int(terms.heartbeatInterval.components.seconds),
      credentialTTLSeconds: Int(terms.lifetime.components.seconds),
      serverTime: now)
  }

  private func currentKey() -> CredentialKey {
    keys.withLock { keys in
      guard keys.readAt.duration(to: .now) >= Self.reloadInterval else { return keys.ring.current }
      keys.readAt = .now
      do throws(ConfigurationError) {
        let ring = try KeyRing(folder: folder)
        if ring.current.keyID != keys.ring.current.keyID {
          logger.info("Credentials are signed with the key '\(ring.current.keyID)' from now on")
        }
        keys.ring = ring
      } catch {
        // In the middle of being replaced, perhaps: the key at hand is still good.
        logger.warning("The signing keys cannot be read again, '\(keys.ring.current.keyID)' goes on signing: \(error)")
      }
      return keys.ring.current
    }
  }
}
