import AMQP
import FleetProtocol
import ServiceRuntime

/// One of the server's work queues, being consumed on a channel of its own: verifies what comes and sees to what cannot be accepted.
///
/// Order of things for every message: its effect is durable (a row, a dead letter, an answer sent), then it is acknowledged. Whatever
/// is lost in between is delivered again, and every effect may happen twice.
struct InboxQueue<Body: InboxBody>: Sendable {
  let kind: MessageKind
  let channel: Channel
  let context: InboxContext
  /// What is counted of this queue.
  let metrics: QueueMetrics
  private let consumer: Consumer
  private let burial: Burial

  /// Opens a channel on `connection` and consumes the queue of `kind`, holding at most `prefetch` unacknowledged messages.
  init(_ kind: MessageKind, on connection: AMQP.Connection, prefetch: UInt16, context: InboxContext) async throws(AMQPError) {
    guard let queue = kind.queue else { preconditionFailure("the server takes no messages of kind \(kind)") }
    self.kind = kind
    self.context = context
    metrics = QueueMetrics(context.metrics, queue: queue)
    burial = Burial(context.publisher, logger: context.logger)
    channel = try await connection.openChannel()
    try await channel.setPrefetch(prefetch)
    consumer = try await channel.consume(queue)
  }

  /// Reads what is there, at most `limit` messages, verifies it and passes the verdicts on, until the consumer ends or the task is cancelled.
  func forEachBatch(
    upTo limit: Int, isolation: isolated (any Actor)? = #isolation, _ handle: ([Verdict<Body>]) async throws -> Void
  ) async throws {
    let verifier = Verifier<Body>(kind)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { [burial, channel] in try await burial.run(on: channel) }
      defer { group.cancelAll() }
      while true {
        let deliveries = try await consumer.nextBatch(upTo: limit)
        let senders = verifier.senders(of: deliveries)
        let clients = Verifier<Body>.clientIDs(of: senders)
        let accounts = try await context.whileDatabaseIsAway { try await context.accounts.accounts(for: clients) }
        let started = ContinuousClock.now
        let verdicts = zip(deliveries, senders).map { verifier.verdict($0, from: $1, accounts: accounts) }
        metrics.verify.observe(started.duration(to: .now))
        try await handle(verdicts)
      }
    }
  }

  /// Answers refused messages and hands unusable ones over to be buried; returns the tags of the latter, which are not the caller's to acknowledge.
  func settle(refused: [Refusal], unusable: [Unusable]) async throws -> Set<UInt64> {
    var letters = unusable
    for refusal in refused {
      await context.report(refusal)
      // A refused heartbeat or registration is worthless later; a result is not: its client may only be disabled for an hour. What was
      // malformed is kept for whoever has to find the fault.
      if kind == .result || refusal.notice.status == ErrorStatus.validationFailed.code {
        letters.append(Unusable(delivery: refusal.delivery, reason: "\(refusal.notice.status) \(refusal.notice.error): \(refusal.reason)"))
      }
    }
    burial.add(letters)
    metrics.deadLettered.add(letters.count)
    metrics.refused.add(refused.count + unusable.count - letters.count)
    let now = context.clock.now()
    try await context.reply(refused.compactMap { answer($0, at: now) })
    return Set(letters.map(\.delivery.deliveryTag))
  }

  /// Acknowledges a batch of consecutive deliveries but for its dead letters.
  func acknowledge(_ tags: ClosedRange<UInt64>, except letters: Set<UInt64>) async throws(AMQPError) {
    for acknowledgement in Acknowledgement.plan(tags, letters: letters, waiting: burial.tags) {
      try await channel.acknowledge(acknowledgement.tag, multiple: acknowledgement.multiple)
    }
  }

  private func answer(_ refusal: Refusal, at now: Timestamp) -> Publication? {
    do {
      return try Reply.publication(refusal.notice, to: refusal.delivery, account: refusal.account, at: now)
    } catch {
      context.logger.debug("No answer to \(refusal.delivery.routingKey): \(error)")
      return nil
    }
  }
}
