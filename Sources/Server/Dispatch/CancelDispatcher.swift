import AMQP
import FleetProtocol
import MySQL
import ServiceRuntime

/// Takes cancellations to the queues of agents, ahead of every command that waits there: a loop of its own, so that no backlog of commands holds one up.
///
/// A cancellation is sent once for each generation of the agent's queue, until its command has ended. What nobody will answer is ended here.
struct CancelDispatcher: Sendable {
  /// Cancellations claimed at once.
  static let batchSize = 500
  /// For what others have written, and for agents that have gone offline meanwhile.
  static let sweepInterval = Duration.seconds(1)
  /// When one that the broker did not take is tried again.
  static let retryAfterFailure = Duration.seconds(2)

  let store: CommandStore
  let accounts: AccountCache
  let publisher: Publisher
  let signals: WorkSignals
  let clock: FleetClock
  let logger: Logger

  /// Works until the task is cancelled.
  func run() async throws {
    let database = DatabaseRetry(logger: logger)
    while true {
      let ended = try await database.run { try await store.closeUnansweredCancellations() }
      if ended > 0 { tell(ended) }
      guard await publisher.state == .connected else {
        try await signals.cancels.wait(upTo: Self.sweepInterval)
        continue
      }
      let due = try await database.run { try await store.claimCancellations(limit: Self.batchSize, lease: Dispatcher.lease) }
      if due.isEmpty {
        try await signals.cancels.wait(upTo: Self.sweepInterval)
      } else {
        try await send(due, database)
      }
    }
  }

  private func send(_ due: [DueCancellation], _ database: DatabaseRetry) async throws {
    let found = try await database.run { try await accounts.accounts(for: Set(due.map(\.clientID))) }
    var sendable: [(due: DueCancellation, publication: Publication)] = []
    var marked: [DueCancellation] = []
    var pointless: [(seq: Int64, reason: String)] = []
    for cancellation in due {
      guard let account = found[cancellation.clientID], account.isActive else {
        // Whatever the agent answered would be refused.
        pointless.append((cancellation.seq, "client '\(cancellation.clientID)' is disabled or gone"))
        marked.append(cancellation)
        continue
      }
      do {
        sendable.append((cancellation, try CommandEnvelope.cancellation(cancellation, account: account, at: clock.now())))
      } catch {
        logger.error("Command \(cancellation.commandID) cannot be called off at agent \(cancellation.agentIDs): \(error)")
        pointless.append((cancellation.seq, "\(error)"))
        marked.append(cancellation)
      }
    }
    var unsent: [DueCancellation] = []
    for ((cancellation, _), result) in zip(sendable, await publisher.publish(sendable.map(\.publication))) {
      switch result {
      case .success:
        logger.info("Command \(cancellation.commandID) is called off in the queue of agent \(cancellation.agentIDs)")
        marked.append(cancellation)
      case .failure(let error):
        if case .returned = error.kind {
          pointless.append((cancellation.seq, "its agent has no queue"))
          marked.append(cancellation)
          continue
        }
        logger.warning(
          "Command \(cancellation.commandID) could not be called off at agent \(cancellation.agentIDs): \(error)"
            + " - retrying in \(Self.retryAfterFailure.shortText)")
        unsent.append(cancellation)
      }
    }
    try await settle(marked, unsent, pointless, database)
  }

  private func settle(
    _ marked: [DueCancellation], _ unsent: [DueCancellation], _ pointless: [(seq: Int64, reason: String)], _ database: DatabaseRetry
  ) async throws {
    var ended = 0
    for (reason, group) in Dictionary(grouping: pointless, by: \.reason) {
      let seqs = group.map(\.seq)
      ended += try await database.run { try await store.closeUnansweredCancellation(seqs, reason) }
    }
    try await database.run { try await store.markCancellations(marked) }
    try await database.run { try await store.releaseCancellations(unsent, after: Self.retryAfterFailure) }
    if ended > 0 { tell(ended) }
  }

  private func tell(_ ended: Int) {
    logger.info("\(ended) commands are cancelled: their agents cannot be told or are offline")
    signals.events.raise()
    signals.rollouts.raise()
  }
}

extension DueCancellation {
  /// The row's id and the agent's name, for the log.
  fileprivate var agentIDs: String { "\(agentID) '\(logicalAgentID)'" }
}
