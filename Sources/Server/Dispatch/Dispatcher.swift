import AMQP
import FleetProtocol
import MySQL
import ServiceRuntime

/// The outbox: takes rows that wait in `commands` to the queues of their agents.
///
/// Claim (a short transaction that leaves a lease), publish mandatory with confirm, mark. No lock is held while the broker works. A dispatcher that
/// dies in between leaves a lease that runs out, and the row is published again; the agent runs a command it has had before only once. Any
/// number of dispatchers may run: claims skip what others have claimed.
struct Dispatcher: Sendable {
  /// Rows claimed at once.
  static let batchSize = 500
  /// For rows written by bare SQL, which wake nobody.
  static let sweepInterval = Duration.seconds(1)
  /// How long a claim keeps other dispatchers away: longer than the broker may take to confirm.
  static let lease = Duration.seconds(60)
  /// When a command whose agent has no queue is tried again, unless the agent registers before.
  static let retryWithoutQueue = Duration.seconds(60)
  /// When a command of a client that was disabled is tried again: its result would be refused.
  static let retryOfDisabledClient = Duration.seconds(10)
  /// When a command that the broker did not take is tried again.
  static let retryAfterFailure = Duration.seconds(2)

  let store: CommandStore
  let accounts: AccountCache
  let publisher: Publisher
  let wakeup: Signal
  let clock: FleetClock
  let logger: Logger

  /// How often commands of agents that were deleted are looked for.
  static let orphanInterval = Duration.seconds(30)

  /// Works until `stop` is wished or the task is cancelled. A wish lets the batch under way be finished, so that no lease is left to run out.
  func run(until stop: StopRequest) async throws {
    let database = DatabaseRetry(logger: logger)
    var nextOrphans = ContinuousClock.now
    while !stop.isRequested {
      try await closeOverdue(database, &nextOrphans)
      // Claiming while the broker is away would only wear out leases.
      guard await publisher.state == .connected else {
        try await wakeup.wait(upTo: Self.sweepInterval)
        continue
      }
      let claimed = try await database.run { try await store.claim(limit: Self.batchSize, lease: Self.lease) }
      if claimed.isEmpty {
        try await wakeup.wait(upTo: Self.sweepInterval)
      } else {
        try await dispatch(claimed, database)
      }
    }
  }

  /// Rows that nobody will deliver any more get their end here.
  private func closeOverdue(_ database: DatabaseRetry, _ nextOrphans: inout ContinuousClock.Instant) async throws {
    let expired = try await database.run { try await store.closeExpired() }
    if expired > 0 { logger.warning("\(expired) commands expired before they were delivered") }
    guard nextOrphans <= .now else { return }
    nextOrphans = .now + Self.orphanInterval
    let orphaned = try await database.run { try await store.closeOrphaned() }
    if orphaned > 0 { logger.warning("\(orphaned) commands cannot be delivered: their agents were deleted") }
  }

  private func dispatch(_ claimed: [ClaimedCommand], _ database: DatabaseRetry) async throws {
    let clients = Set(claimed.map(\.clientID))
    let found = try await database.run { try await accounts.accounts(for: clients) }
    var sendable: [(row: ClaimedCommand, publication: Publication)] = []
    for row in claimed {
      guard let account = found[row.clientID] else {
        try await close(row, "client '\(row.clientID)' does not exist", database)
        continue
      }
      guard account.isActive else {
        try await wait(row, Self.retryOfDisabledClient, "client '\(row.clientID)' is disabled", database)
        continue
      }
      do {
        sendable.append((row, try CommandEnvelope.publication(row, account: account, at: clock.now())))
      } catch {
        try await close(row, "\(error)", database)
      }
    }
    let results = await publisher.publish(sendable.map(\.publication))
    var queued: [ClaimedCommand] = []
    for ((row, _), result) in zip(sendable, results) {
      switch result {
      case .success: queued.append(row)
      case .failure(let error): try await keep(row, error, database)
      }
    }
    if !queued.isEmpty {
      try await database.run { [queued] in try await store.markQueued(queued) }
      for row in queued { logger.info("Command \(row.id) '\(row.commandType)' is in the queue of agent \(row.agentID)") }
    }
  }

  private func keep(_ row: ClaimedCommand, _ error: AMQPError, _ database: DatabaseRetry) async throws {
    let delay: Duration
    switch error.kind {
    case .returned: delay = Self.retryWithoutQueue
    case .invalid: return try await close(row, error.message, database)
    default: delay = Self.retryAfterFailure
    }
    try await wait(row, delay, error.message, database)
  }

  private func wait(_ row: ClaimedCommand, _ delay: Duration, _ reason: String, _ database: DatabaseRetry) async throws {
    logger.warning("Command \(row.id) for agent \(row.agentID) waits: \(reason) - retrying in \(delay.shortText)")
    try await database.run { try await store.release(row.seq, after: delay, error: reason) }
  }

  private func close(_ row: ClaimedCommand, _ reason: String, _ database: DatabaseRetry) async throws {
    logger.error("Command \(row.id) for agent \(row.agentID) cannot be delivered: \(reason)")
    try await database.run { try await store.closeUndeliverable(row.seq, reason: reason) }
  }
}
