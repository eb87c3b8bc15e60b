import AMQP
import FleetProtocol
import MySQL
import ServiceRuntime

/// Takes registrations from `fleet.register` to the `agents` table, gives each its queue and answers.
///
/// In this order: the row (with the new generation), the queue, the answer, the acknowledgement. After a crash in between the message
/// comes again, is recognized by its session and time, and only what is missing is done.
struct RegistrationDesk: Sendable {
  /// Registrations worked on at once by one worker: each waits for one transaction and two broker replies.
  static let concurrency = 16

  let store: AgentStore
  let directory: AgentDirectory
  let heartbeatInterval: Duration
  let context: InboxContext

  /// Works until the connection breaks or the task is cancelled.
  func run(on connection: AMQP.Connection) async throws {
    let inbox = try await InboxQueue<RegistrationMessage>(
      .register, on: connection, prefetch: UInt16(2 * Self.concurrency), context: context)
    let queues = AgentQueues(on: connection, logger: context.logger)
    try await inbox.forEachBatch(upTo: Self.concurrency) { verdicts in
      inbox.metrics.batch.observe(Double(verdicts.count))
      try await withThrowingTaskGroup(of: Void.self) { group in
        for verdict in verdicts { group.addTask { try await handle(verdict, inbox, queues) } }
        try await group.waitForAll()
      }
    }
  }

  private func handle(_ verdict: Verdict<RegistrationMessage>, _ inbox: InboxQueue<RegistrationMessage>, _ queues: AgentQueues) async throws
  {
    let letters: Set<UInt64>
    switch verdict {
    case .accepted(let message):
      switch message.body {
      case .request(let request): letters = try await register(message.with(request), inbox, queues)
      case .probe(let probe): letters = try await answer(message.with(probe), inbox)
      }
    case .refused(let refusal): letters = try await inbox.settle(refused: [refusal], unusable: [])
    case .unusable(let letter): letters = try await inbox.settle(refused: [], unusable: [letter])
    }
    guard letters.isEmpty else { return }
    // By itself: others of the batch are still being worked on.
    try await inbox.channel.acknowledge(verdict.delivery.deliveryTag)
  }

  private func register(
    _ request: Verified<RegistrationRequest>, _ inbox: InboxQueue<RegistrationMessage>, _ queues: AgentQueues
  ) async throws -> Set<UInt64> {
    guard request.body.logicalAgentID == request.address.logicalAgentID else {
      return try await inbox.settle(refused: [refusal(request, Self.foreignName)], unusable: [])
    }
    let outcome: RegistrationOutcome
    do {
      outcome = try await context.whileDatabaseIsAway {
        try await inbox.metrics.commit.time { try await store.register(request.body, from: request.address) }
      }
    } catch let error as MessageError {
      return try await inbox.settle(refused: [refusal(request, error)], unusable: [])
    } catch let error where error is MySQLError || error is StoreError {
      return try await inbox.settle(refused: [], unusable: [Unusable(delivery: request.delivery, reason: "\(error)")])
    }
    switch outcome {
    case .refused(let holder):
      let notice = ErrorNotice(.anotherAgent, messageID: request.messageID)
      let reason = "instance \(holder.instanceID ?? "unknown") has registered as '\(request.address.logicalAgentID)' since and is alive"
      return try await inbox.settle(refused: [refusal(request, notice, reason, agentID: holder.agentID)], unusable: [])
    case .registered(let agent, let previousQueue):
      directory.forget(request.address)
      do throws(AMQPError) {
        try await queues.declare(agent.queue)
      } catch {
        // The connection is sound, only this queue cannot be used: no reason to stop the worker.
        guard case .channelClosed = error.kind else { throw error }
        let letter = Unusable(delivery: request.delivery, reason: "queue \(agent.queue) cannot be used: \(error)")
        return try await inbox.settle(refused: [], unusable: [letter])
      }
      if let previousQueue, previousQueue != agent.queue { try await queues.delete(previousQueue) }
      try await answer(request, agent)
      inbox.metrics.accepted.add()
      // Commands that waited for this agent can go now, and those that were called off are called off in its new queue.
      context.signals.dispatch.raise()
      context.signals.cancels.raise()
      context.signals.events.raise()
      // So can those that rollouts hold back for agents that are away.
      context.signals.rollouts.raise()
      context.logger.info(
        "Registered agent \(agent.id) '\(request.address.logicalAgentID)' of client \(request.account.id)"
          + " (instance \(request.body.instanceID), queue \(agent.queue))")
      return []
    }
  }

  private func answer(_ request: Verified<RegistrationRequest>, _ agent: RegisteredAgent) async throws {
    let now = context.clock.now()
    let reply = RegistrationReply(
      agentID: agent.id, clientID: request.account.id, logicalAgentID: request.address.logicalAgentID, queue: agent.queue,
      generation: agent.generation, heartbeatIntervalSeconds: Int(heartbeatInterval.components.seconds), config: agent.config,
      configVersion: agent.configVersion, serverTime: now)
    if let publication = try Reply.publication(reply, to: request.delivery, account: request.account, at: now) {
      try await context.reply([publication])
    }
  }

  /// The signature covers the routing key, and so a name beside it that is another's is nobody's.
  static let foreignName = MessageError(field: "logical_agent_id", problem: "is not the one of the routing key")

  func refusal(_ message: Verified<some Sendable>, _ error: MessageError) -> Refusal {
    refusal(message, ErrorNotice(error, messageID: message.messageID), "\(error)")
  }

  private func refusal(_ request: Verified<some Sendable>, _ notice: ErrorNotice, _ reason: String, agentID: String? = nil) -> Refusal {
    Refusal(
      notice: notice, delivery: request.delivery, address: request.address, account: request.account, reason: reason,
      isAuthentication: false, agentID: agentID)
  }
}

extension Verified {
  /// The message's id; the verifier has seen that there is one.
  var messageID: String { delivery.message.messageID ?? "" }

  /// The same message with what its body turned out to be.
  func with<Part>(_ body: Part) -> Verified<Part> { Verified<Part>(body: body, address: address, account: account, delivery: delivery) }
}
