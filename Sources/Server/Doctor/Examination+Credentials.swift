import AMQP
import Diagnosis
import FleetProtocol
import Glibc
import ServiceRuntime

extension Examination {
  /// No key can be read. Whoever is not meant to read keys, as members of the server's group are not, is no sign of there being none.
  mutating func lookAtMissingKey(_ error: ConfigurationError, _ settings: ServerConfiguration) {
    let check = "signing key"
    if access(settings.keysDirectory, R_OK | X_OK) != 0, errno == EACCES {
      let folder = printable(settings.keysDirectory)
      return report.skip(check, because: "\(folder) is for root and the server's user only; run the doctor as one of them")
    }
    report.add(.fail(check, "\(error.name) \(error.problem)", remedy: error.remedy))
  }

  /// Whether the broker lets in whom our key vouches for, and nobody else.
  mutating func lookAtCredentials() async throws {
    let (key, own, foreign) = ("signing key", "credential accepted", "foreign key refused")
    guard let settings else { return }
    let ring: KeyRing
    let desk: CredentialDesk
    do throws(ConfigurationError) {
      ring = try KeyRing(folder: settings.keysDirectory)
      desk = try Self.desk(settings, keysDirectory: settings.keysDirectory)
    } catch {
      lookAtMissingKey(error, settings)
      for check in [own, foreign] { report.skip(check, because: "there is no key to sign with") }
      return
    }
    report.add(.pass(key, "'\(ring.current.keyID)' of \(settings.keysDirectory) signs"))
    lookAtKeysOfBroker(ring, settings)
    guard broker != nil else {
      for check in [own, foreign] { report.skip(check, because: brokerTrouble) }
      return
    }
    let address = try AgentAddress(clientID: "spotctl-doctor", logicalAgentID: randomUUID())
    let doctor = self
    // Both at once: the broker holds a login that it refuses for three seconds.
    async let stranger = doctor.strangersLogin(address, ring.current.keyID, settings)
    let result = await login(address, with: desk, settings)
    report.add(accepted(own, result, settings))
    switch await stranger {
    case .failure(let error) where error.kind == .loginRefused:
      report.add(.pass(foreign, "a credential that another key signed is not let in"))
    case .success:
      report.add(
        .fail(
          foreign, "the broker lets in whom anybody's key vouches for",
          remedy:
            "list the keys of \(settings.keysDirectory) as auth_oauth2.signing_keys.<key id> in rabbitmq.conf, no other, and look at auth_backends"
        ))
    case .failure(let error): report.skip(foreign, because: error.message)
    }
    try Task.checkCancellation()
  }

  /// A desk that signs as the front does, for a minute only.
  static func desk(_ settings: ServerConfiguration, keysDirectory: String) throws(ConfigurationError) -> CredentialDesk {
    try CredentialDesk(
      keysDirectory: keysDirectory,
      terms: CredentialDesk.Terms(
        brokers: settings.agentBrokers, virtualHost: settings.broker.virtualHost, lifetime: .seconds(60),
        heartbeatInterval: settings.heartbeatInterval),
      logger: Logger(level: .error))
  }

  /// Logs in as an agent does, and out again.
  func login(_ address: AgentAddress, with desk: CredentialDesk, _ settings: ServerConfiguration) async -> Result<Duration, AMQPError> {
    var configuration = login(settings)
    do throws(CryptoError) {
      let reply = try desk.reply(for: address, now: now)
      configuration.username = reply.username
      configuration.password = reply.credential
    } catch {
      return .failure(AMQPError(.invalid, "\(error)"))
    }
    let started = ContinuousClock.now
    do throws(AMQPError) {
      let connection = try await Connection.open(configuration, on: loop)
      let took = started.duration(to: .now)
      await connection.close()
      return .success(took)
    } catch {
      return .failure(error)
    }
  }

  /// The finding of a login with a credential of ours.
  func accepted(_ check: String, _ result: Result<Duration, AMQPError>, _ settings: ServerConfiguration) -> Finding {
    switch result {
    case .success(let took): return .pass(check, "an agent's login with a credential of our key is let in, in \(took.inMilliseconds)")
    case .failure(let error) where error.kind == .loginRefused:
      let enable = "rabbitmq-plugins enable rabbitmq_auth_backend_oauth2"
      if let facts, !facts.plugins.contains("rabbitmq_auth_backend_oauth2") { return .fail(check, error.message, remedy: enable) }
      let folder = settings.keysDirectory
      // It was read a moment ago; this is for the remedy's text only.
      let keyID = (try? KeyRing(folder: folder).current.keyID) ?? "<key id>"
      let addition = "rabbitmqctl add_uaa_key \(keyID) --pem-file=\(CredentialKey.publicKeyPath(keyID, folder: folder))"
      let doubt = facts == nil ? "; if it stays: \(enable)" : ""
      return .fail(check, error.message, remedy: "\(addition), and the line auth_oauth2.signing_keys.\(keyID) in rabbitmq.conf\(doubt)")
    case .failure(let error): return .fail(check, error.message, remedy: "see what the broker says of it: journalctl -u rabbitmq-server")
    }
  }

  private mutating func lookAtKeysOfBroker(_ ring: KeyRing, _ settings: ServerConfiguration) {
    guard let known = facts?.keyIDs else { return }
    // Those that signed before and may still be in use are the folder's public keys.
    for id in ring.acceptedKeyIDs where !known.contains(id) {
      let file = CredentialKey.publicKeyPath(id, folder: settings.keysDirectory)
      let remedy = "rabbitmqctl add_uaa_key \(id) --pem-file=\(file)"
      report.add(.fail("broker keys", "the broker does not have the key '\(id)'", remedy: remedy))
    }
  }

  /// The login of somebody who knows the name of our key and has another one.
  private func strangersLogin(
    _ address: AgentAddress, _ keyID: String, _ settings: ServerConfiguration
  ) async -> Result<Duration, AMQPError> {
    var template = Array("/tmp/spot-optimizer-doctor-XXXXXX".utf8CString)
    let made = template.withUnsafeMutableBufferPointer { buffer in buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) } }
    guard let folder = made else {
      return .failure(AMQPError(.invalid, "no temporary folder in /tmp: \(String(cString: strerror(errno)))"))
    }
    defer { rmdir(folder) }
    let desk: CredentialDesk
    do throws(ConfigurationError) {
      defer {
        for path in [CredentialKey.privateKeyPath(keyID, folder: folder), CredentialKey.publicKeyPath(keyID, folder: folder)] {
          unlink(path)
        }
      }
      try CredentialKey.generate(keyID: keyID, folder: folder)
      desk = try Self.desk(settings, keysDirectory: folder)
    } catch {
      return .failure(AMQPError(.invalid, "\(error)"))
    }
    return await login(address, with: desk, settings)
  }
}
