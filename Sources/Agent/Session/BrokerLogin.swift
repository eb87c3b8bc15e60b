import AMQP
import FleetProtocol
import ServiceRuntime

/// Connects and logs in with the agent's credential, to any of the brokers the server named.
struct BrokerLogin: Sendable {
  /// The broker closes the connection after two to three of these without a byte; so do we.
  private static let heartbeat = Duration.seconds(20)
  /// The least that RabbitMQ 4.1 and later accept: frames cost the client memory.
  private static let frameSize = 8192
  /// One is used; the others are for one that is being closed while the next is opened.
  private static let channels = 4

  private let context: AgentContext
  private let lastTried = Lock<Endpoint?>(nil)

  init(_ context: AgentContext) { self.context = context }

  /// The broker of the last attempt, for the log; one of the credential's before the first.
  var endpoint: Endpoint {
    get throws { try lastTried.withLock { $0 } ?? endpoints()[0] }
  }

  /// Opens a connection. A credential that has run out, or that the brokers refuse, is replaced by a new one if the server has one to give.
  ///
  /// Throws `AMQPError`, and `AgentExit` when an agent that is starting is refused by the server.
  func open() async throws -> Connection {
    if context.credentials.isExpired { try await renew() }
    do {
      return try await openAny()
    } catch let error as AMQPError where error.kind == .loginRefused {
      context.log.warning("\(context.name): \(error); asking the server for a new credential")
      guard try await renew() else { throw error }
      return try await openWithNewCredential()
    }
  }

  /// A credential that comes straight from the server and is refused is nothing that a repetition mends.
  private func openWithNewCredential() async throws -> Connection {
    do {
      return try await openAny()
    } catch let error as AMQPError where error.kind == .loginRefused {
      throw AMQPError(
        .loginRefused,
        "\(error.message) - the broker refuses a credential that the server has just signed: see that it has the plugin "
          + "rabbitmq_auth_backend_oauth2 enabled and the public key that belongs to the server's signing key")
    }
  }

  private func endpoints() throws -> [Endpoint] {
    let credential = context.credentials.current
    let address = context.credentials.address
    return try credential.brokers.map {
      Endpoint(broker: try BrokerURL($0, name: "brokers"), virtualHost: credential.vhost, address: address)
    }
  }

  /// Tries the brokers in random order, so that a fleet spreads over them; throws the last one's error.
  private func openAny() async throws -> Connection {
    var failure = AMQPError(.closed, "the server named no broker")
    for endpoint in try endpoints().shuffled() {
      try Task.checkCancellation()
      lastTried.withLock { $0 = endpoint }
      do throws(AMQPError) {
        let connection = try await Connection.open(
          Self.configuration(endpoint, credential: context.credentials.current.credential, context.settings, context.timings),
          on: context.loop)
        context.log.info("\(context.name) is connected to \(endpoint.broker)/\(endpoint.virtualHost)")
        return connection
      } catch {
        context.log.debug("\(context.name) cannot connect to \(endpoint.broker): \(error)")
        failure = error
      }
    }
    throw failure
  }

  /// The login at a broker with a credential.
  static func configuration(
    _ endpoint: Endpoint, credential: String, _ settings: AgentSettings, _ timings: AgentTimings
  ) -> ConnectionConfiguration {
    var configuration = ConnectionConfiguration(
      host: endpoint.broker.host, port: endpoint.broker.port, virtualHost: endpoint.virtualHost, username: endpoint.address.username,
      password: credential, connectionName: AgentVersion.product)
    if endpoint.broker.usesTLS {
      configuration.tls = TLSConfiguration(
        certificateAuthorityFile: settings.authorityFile ?? TLSConfiguration.systemAuthorities)
    }
    configuration.heartbeat = heartbeat
    configuration.maximumFrameSize = frameSize
    configuration.maximumChannels = channels
    configuration.connectTimeout = timings.connectTimeout
    configuration.replyTimeout = timings.replyTimeout
    return configuration
  }

  /// Asks the server once; `false` when it is away. What we have may still be good, so a running agent goes on with it.
  @discardableResult
  private func renew() async throws -> Bool {
    let client = context.credentials.address
    do throws(ServerFailure) {
      try await context.credentials.renew()
    } catch {
      switch error {
      case .cancelled: throw CancellationError()
      case .malformed(let operation, let problem): context.log.error("Unusable answer: \(operation) - \(problem)")
      case .failed(let operation, .refused(let transport, let code, let response)):
        let refusal = Failure.refused(transport, code: code, response: response)
        context.log.report(context.report.lines(operation, refusal, number: 1, retryingIn: nil))
        if refusal.isAuthentication && !context.membership.value.hasBegun { throw AgentExit.authenticationRefused }
      case .failed(let operation, .timeout(let detail)), .failed(let operation, .connection(let detail)):
        context.log.warning("\(context.name) has no new credential and goes on with the old one: \(operation) - \(detail)")
      }
      return false
    }
    if context.credentials.address != client { context.membership.update { $0.moved() } }
    return true
  }
}
