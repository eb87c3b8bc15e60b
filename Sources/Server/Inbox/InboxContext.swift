import AMQP
import FleetProtocol
import ServiceRuntime

/// What every part of the inbox needs: the accounts, the clock, the way back to agents and the log.
struct InboxContext: Sendable {
  let accounts: AccountCache
  let authFailures: AuthFailureRecorder
  let publisher: Publisher
  let clock: FleetClock
  /// Raised after commits that leave work for the other parts of this process.
  let signals: WorkSignals
  let metrics: ServerMetrics
  let logger: Logger

  /// Runs `body`, and again for as long as the database cannot be reached: what was read stays unacknowledged and, because of the prefetch,
  /// no more is read. Nothing is requeued, since quorum queues count returns and newer brokers drop after twenty.
  func whileDatabaseIsAway<Result: Sendable>(_ body: @Sendable () async throws -> Result) async throws -> Result {
    try await DatabaseRetry(logger: logger).run(body)
  }

  /// Writes the log line and the `auth_failed` event of a refused message.
  func report(_ refusal: Refusal) async {
    guard refusal.isAuthentication else {
      logger.warning("Refused \(refusal.delivery.routingKey): \(refusal.notice.error): \(refusal.reason)\(refusal.sender)")
      return
    }
    // The signature was made with a token that we do not know; only of a client that is disabled it is the right one.
    let isMismatch = refusal.notice.status == ErrorStatus.invalidToken.code
    await authFailures.record(
      AuthFailure(
        status: refusal.notice.status, reason: refusal.notice.error, source: refusal.delivery.routingKey,
        clientID: refusal.address.clientID,
        agentID: refusal.agentID, token: refusal.account.map { isMismatch ? .expected($0.token) : .given($0.token) },
        detail: refusal.reason + refusal.sender))
  }

  /// How long an answer may take to be confirmed: it holds up the acknowledgements of its batch, and its reader waits no half minute.
  static let replyTimeout = Duration.seconds(5)

  /// Sends answers. One that cannot be sent is only logged: the agent asks again.
  func reply(_ publications: [Publication]) async throws {
    guard !publications.isEmpty else { return }
    for (publication, result) in zip(publications, await publisher.publish(publications, timeout: Self.replyTimeout)) {
      if case .failure(let error) = result {
        logger.debug("Answer to \(publication.message.correlationID ?? "") was not sent: \(error)")
      }
    }
  }
}
