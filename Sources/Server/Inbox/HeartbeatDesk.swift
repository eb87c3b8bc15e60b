import AMQP
import FleetProtocol
import MySQL
import ServiceRuntime

/// Takes heartbeats from `fleet.heartbeats` to the `agents` table.
///
/// Two tasks: one reads and verifies, the other commits the batch before and then acknowledges it in one piece. A crash anywhere leaves the
/// batch unacknowledged; it is delivered again and, since `last_heartbeat_at` never moves back, changes nothing twice.
struct HeartbeatDesk: Sendable {
  /// Messages in a batch before the reader waits. Collapsing repeats pays more the larger a batch is; a row costs about 10 µs.
  static let batchSize = 5000
  /// How long the first heartbeat of a small batch waits for others.
  static let linger = Duration.milliseconds(20)

  let store: AgentStore
  let directory: AgentDirectory
  let context: InboxContext
  private let lag: Histogram

  init(store: AgentStore, directory: AgentDirectory, context: InboxContext) {
    self.store = store
    self.directory = directory
    self.context = context
    lag = context.metrics.ingestLag.member()
  }

  /// Works until the connection breaks or the task is cancelled.
  func run(on connection: AMQP.Connection) async throws {
    let queue = try await InboxQueue<Heartbeat>(.heartbeat, on: connection, prefetch: UInt16(3 * Self.batchSize), context: context)
    let buffer = HeartbeatBuffer(capacity: Self.batchSize, linger: Self.linger)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await queue.forEachBatch(upTo: Self.batchSize) { try await buffer.add($0) } }
      group.addTask {
        while true { try await commit(try await buffer.take(), from: queue) }
      }
      defer { group.cancelAll() }
      try await group.next()
    }
  }

  private func commit(_ batch: HeartbeatBatch, from queue: InboxQueue<Heartbeat>) async throws {
    let keys = try await context.whileDatabaseIsAway { try await directory.keys(of: batch.newest.keys) }
    let updates = zip(batch.newest.values, keys).compactMap { heartbeat, key in key.map { HeartbeatUpdate(heartbeat.body, agentKey: $0) } }
    let outcome = try await context.whileDatabaseIsAway { try await queue.metrics.commit.time { try await apply(updates) } }
    if let sentAt = batch.lastSentAt { lag.observe(context.clock.now().since(sentAt)) }
    var refused = batch.refused
    var letters = batch.unusable
    for (heartbeat, key) in zip(batch.newest.values, keys) {
      guard let key, !outcome.missing.contains(key) else {
        directory.forget(heartbeat.address)
        refused.append(unknownAgent(heartbeat))
        continue
      }
      if let reason = outcome.failed[key] { letters.append(Unusable(delivery: heartbeat.delivery, reason: reason)) }
    }
    queue.metrics.batch.observe(Double(batch.count))
    queue.metrics.accepted.add(batch.count - refused.count - letters.count)
    let buried = try await queue.settle(refused: refused, unusable: letters)
    if let tags = batch.tags { try await queue.acknowledge(tags, except: buried) }
    context.logger.debug("Committed \(batch.count) heartbeats of \(updates.count) agents")
  }

  /// Writes all in one statement; when the database refuses that for one bad value, each by itself, so that no good one is lost.
  private func apply(_ updates: [HeartbeatUpdate]) async throws -> HeartbeatOutcome {
    do {
      return HeartbeatOutcome(missing: try await store.applyHeartbeats(updates))
    } catch let error as MySQLError where !error.isDatabaseAway && updates.count > 1 {
      context.logger.warning("A batch of \(updates.count) heartbeats was refused by the database, writing them one by one: \(error)")
      var outcome = HeartbeatOutcome(missing: [])
      for update in updates {
        let single = try await apply([update])
        outcome.missing.formUnion(single.missing)
        outcome.failed.merge(single.failed) { first, _ in first }
      }
      return outcome
    } catch let error as MySQLError where !error.isDatabaseAway {
      return HeartbeatOutcome(missing: [], failed: Dictionary(uniqueKeysWithValues: updates.map { ($0.agentKey, "\(error)") }))
    }
  }

  private func unknownAgent(_ heartbeat: Verified<Heartbeat>) -> Refusal {
    Refusal(
      notice: ErrorNotice(.unknownAgent, messageID: heartbeat.delivery.message.messageID ?? ""), delivery: heartbeat.delivery,
      address: heartbeat.address, account: heartbeat.account, reason: "no agent \(heartbeat.body.agentID)", isAuthentication: false)
  }
}

/// What became of a batch in the database, by agent key.
private struct HeartbeatOutcome {
  /// Agents whose row is gone.
  var missing: Set<Int64>
  /// Agents whose values the database refused, and why.
  var failed: [Int64: String] = [:]
}
