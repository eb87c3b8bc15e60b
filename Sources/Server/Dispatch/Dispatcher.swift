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
  /// Batches that are sent and not yet marked, while the next one is claimed: a command that comes just then does not wait for the confirms of others.
  static let batchesUnderWay = 4
  /// For rows written by bare SQL, which wake nobody.
  static let sweepInterval = Duration.seconds(1)
  /// How long a claim keeps other dispatchers away: longer than the broker may take to confirm.
  static let lease = Duration.seconds(60)
  /// When a command whose agent has no queue is tried again, unless the agent registers before.
  static let retryWithoutQueue = Duration.seconds(60)
  /// When it is tried again the first few times: a registration writes the queue's name a moment before it makes the queue.
  static let retryWithoutQueueYet = Duration.milliseconds(250)
  private static let attemptsWithoutQueueYet = 5
  /// When a command of a client that was disabled is tried again: its result would be refused.
  static let retryOfDisabledClient = Duration.seconds(10)
  /// When a command that the broker did not take is tried again.
  static let retryAfterFailure = Duration.seconds(2)

  let store: CommandStore
  let accounts: AccountCache
  let publisher: Publisher
  let signals: WorkSignals
  let clock: FleetClock
  let metrics: DispatchMetrics
  let logger: Logger

  /// Works until `stop` is wished or the task is cancelled. A wish lets the batches under way be finished, so that no lease is left to run out.
  func run(until stop: StopRequest) async throws {
    let database = DatabaseRetry(logger: logger)
    let underWay = Lock(0)
    let settled = Signal()
    try await withThrowingDiscardingTaskGroup { group in
      while !stop.isRequested, !group.isCancelled {
        // Claiming while the broker is away would only wear out leases.
        guard await publisher.state == .connected else {
          try await signals.dispatch.wait(upTo: Self.sweepInterval)
          continue
        }
        while underWay.withLock({ $0 >= Self.batchesUnderWay }) {
          await settled.wait()
          try Task.checkCancellation()
        }
        let claimed = try await database.run { try await store.claim(limit: Self.batchSize, lease: Self.lease) }
        guard !claimed.isEmpty else {
          try await signals.dispatch.wait(upTo: Self.sweepInterval)
          continue
        }
        let batch = try await prepare(claimed, database)
        underWay.withLock { $0 += 1 }
        // The next batch is not written before this one is: commands of one agent stay in their order.
        await withCheckedContinuation { written in
          group.addTask {
            defer {
              underWay.withLock { $0 -= 1 }
              settled.raise()
            }
            do {
              try await send(batch, database) { written.resume() }
            } catch {
              // The group is cancelled with this error; whoever waits for work does not hear of that.
              signals.dispatch.raise()
              throw error
            }
          }
        }
      }
    }
  }

  /// Commands on their way, with the accounts of their clients.
  private struct Batch: Sendable {
    var sendable: [(row: ClaimedCommand, publication: Publication)] = []
    var accounts: [String: Account]
  }

  /// Signs what can be sent; the others are closed or put off.
  private func prepare(_ claimed: [ClaimedCommand], _ database: DatabaseRetry) async throws -> Batch {
    let clients = Set(claimed.map(\.clientID))
    var batch = Batch(accounts: try await database.run { try await accounts.accounts(for: clients) })
    for row in claimed {
      guard let account = batch.accounts[row.clientID] else {
        try await close(row, "client '\(row.clientID)' does not exist", database)
        continue
      }
      guard account.isActive else {
        try await wait(row, Self.retryOfDisabledClient, "client '\(row.clientID)' is disabled", database)
        continue
      }
      do {
        batch.sendable.append((row, try CommandEnvelope.publication(row, account: account, at: clock.now())))
      } catch {
        try await close(row, "\(error)", database)
      }
    }
    return batch
  }

  /// Publishes, calls `written`, and when the broker has confirmed marks what is in the agents' queues.
  private func send(_ batch: Batch, _ database: DatabaseRetry, written: @Sendable () -> Void) async throws {
    let results = await publisher.publish(batch.sendable.map(\.publication), written: written)
    var queued: [ClaimedCommand] = []
    for ((row, _), result) in zip(batch.sendable, results) {
      switch result {
      case .success: queued.append(row)
      case .failure(let error): try await keep(row, error, database)
      }
    }
    let now = clock.now()
    metrics.queued.add(queued.count)
    // A later attempt was late for a reason of its own: a broker or a queue that was not there.
    metrics.latency.observe(all: queued.filter { $0.attempts == 1 }.map { max(0, now.since($0.createdAt).inSeconds) })
    if !queued.isEmpty {
      let result = try await database.run { [queued] in try await store.markQueued(queued) }
      if result.marked > 0 { signals.events.raise() }
      for row in queued { logger.info("Command \(row.id) '\(row.commandType)' is in the queue of agent \(row.agentIDs)") }
      await recall(result.calledOff, batch.accounts)
    }
  }

  /// Commands that were called off while they were being sent are called off in the queue too. If that fails, the agent may run one; its result is then
  /// what counts.
  private func recall(_ rows: [ClaimedCommand], _ accounts: [String: Account]) async {
    for row in rows {
      guard let account = accounts[row.clientID] else { continue }
      let due = DueCancellation(
        seq: row.seq, commandID: row.id, agentID: row.agentID, logicalAgentID: row.logicalAgentID, clientID: row.clientID, queue: row.queue,
        generation: row.generation, requestedAt: clock.now())
      do {
        try await publisher.publish([try CommandEnvelope.cancellation(due, account: account, at: clock.now())])[0].get()
      } catch {
        logger.warning("Command \(row.id) was called off while it was being sent, and agent \(row.agentIDs) could not be told: \(error)")
      }
    }
  }

  private func keep(_ row: ClaimedCommand, _ error: AMQPError, _ database: DatabaseRetry) async throws {
    let delay: Duration
    switch error.kind {
    case .returned: delay = row.attempts <= Self.attemptsWithoutQueueYet ? Self.retryWithoutQueueYet : Self.retryWithoutQueue
    case .invalid: return try await close(row, error.message, database)
    default: delay = Self.retryAfterFailure
    }
    try await wait(row, delay, error.message, database)
  }

  private func wait(_ row: ClaimedCommand, _ delay: Duration, _ reason: String, _ database: DatabaseRetry) async throws {
    metrics.postponed.add()
    logger.warning("Command \(row.id) for agent \(row.agentIDs) waits: \(reason) - retrying in \(delay.shortText)")
    try await database.run { try await store.release(row.seq, after: delay, error: reason) }
  }

  private func close(_ row: ClaimedCommand, _ reason: String, _ database: DatabaseRetry) async throws {
    metrics.undeliverable.add()
    logger.error("Command \(row.id) for agent \(row.agentIDs) cannot be delivered: \(reason)")
    try await database.run { try await store.closeUndeliverable(row.seq, reason: reason) }
    signals.events.raise()
    signals.rollouts.raise()
  }
}

// Operators search the log for either id of an agent.
extension ClaimedCommand {
  /// The row's id and the agent's name, for the log.
  fileprivate var agentIDs: String { "\(agentID) '\(logicalAgentID)'" }
}
