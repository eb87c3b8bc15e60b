import FleetProtocol
import ServiceRuntime

/// Holds the credential in use, in memory and on disk, and gets new ones from the server.
final class CredentialKeeper: Sendable {
  private struct State {
    var reply: CredentialReply
    var address: AgentAddress
  }

  private let state: Lock<State>
  private let source: CredentialSource

  /// Takes the first credential. Throws `ServerFailure.malformed` when its names do not fit together.
  init(_ reply: CredentialReply, from source: CredentialSource) throws(ServerFailure) {
    state = Lock(State(reply: reply, address: try source.address(of: reply)))
    self.source = source
  }

  /// The credential in use.
  var current: CredentialReply { state.withLock { $0.reply } }

  /// Whose it is.
  var address: AgentAddress { state.withLock { $0.address } }

  /// Whether the credential has run out by the server's clock.
  var isExpired: Bool { current.expiresAt <= source.clock.now() }

  /// How long to wait until it should be renewed; `chance` lies in 0..<1.
  func renewalDelay(chance: Double) -> Duration {
    let reply = current
    return RenewalSchedule.delay(
      now: source.clock.now(), expiresAt: reply.expiresAt, lifetime: .seconds(reply.credentialTTLSeconds), chance: chance)
  }

  /// Asks the server once for a new credential, and keeps it.
  func renew() async throws(ServerFailure) {
    let api = ServerAPI(source.settings, timings: source.timings)
    defer { api.close() }
    let reply = try await source.fetch(api)
    let address = try source.address(of: reply)
    state.withLock { $0 = State(reply: reply, address: address) }
    source.log.info("The broker credential was renewed: it is valid until \(reply.expiresAt.iso8601)")
  }
}
