import AMQP
import FleetProtocol
import ServiceRuntime

/// Consumes the agent's queue on one channel: answers built-in commands at once, hands commands for executables and cancellations to the desk. Each
/// delivery has a task of its own, so none delays another.
struct CommandConsumer: Sendable {
  /// How many deliveries the agent holds.
  static let prefetch: UInt16 = 8
  /// How many of them may take longer: the others are kept free for what must not wait, a `ping` or a cancellation.
  static let longest = Int(prefetch) - 2
  /// How long a command that cannot be taken waits for the next attempt, or before it is given back to the queue.
  private static let pause = Duration.seconds(1)

  private let context: AgentContext
  private let channel: Channel
  private let publisher: InboxPublisher
  private let held = Lock(0)

  init(_ context: AgentContext, _ channel: Channel, _ publisher: InboxPublisher) {
    self.context = context
    self.channel = channel
    self.publisher = publisher
  }

  /// Consumes whatever queue the agent has, until the channel is gone or the task is cancelled.
  func run() async throws {
    while true {
      let (agentID, queue) = try await context.membership.first { membership -> (String, String)? in
        guard let agentID = membership.agentID, let queue = membership.queue else { return nil }
        return (agentID, queue)
      }
      let consumer: Consumer
      do throws(AMQPError) {
        consumer = try await channel.consume(queue)
      } catch {
        if error.kind == .channelClosed(code: 404) { lost(queue, error) }
        throw error
      }
      context.log.info("\(context.name) takes its commands from the queue \(queue)")
      do throws(AMQPError) {
        try await serve(consumer, CommandGate(agentID: agentID, queue: queue, seal: context.seal))
      } catch {
        switch error.kind {
        case .consumerCancelled: lost(queue, error)
        // By ourselves, because the agent has another queue now, or because it is stopping.
        case .closed: try Task.checkCancellation()
        default: throw error
        }
      }
    }
  }

  private func lost(_ queue: String, _ error: AMQPError) {
    context.log.warning("\(context.name) lost its queue \(queue) and registers again: \(error)")
    context.membership.update { if $0.queue == queue { $0.queueLost() } }
  }

  /// Serves until the consumer ends; answers that were begun are finished first.
  private func serve(_ consumer: Consumer, _ gate: CommandGate) async throws(AMQPError) {
    let end = await withTaskGroup(of: Void.self, returning: AMQPError.self) { group in
      group.addTask { await self.endWhenReplaced(consumer, gate.queue) }
      defer { group.cancelAll() }
      do throws(AMQPError) {
        while true {
          for delivery in try await consumer.nextBatch(upTo: Int(Self.prefetch)) {
            // Left unacknowledged, it goes back to the queue with the end of the connection.
            if context.stop.value { continue }
            group.addTask { await self.handle(delivery, gate) }
          }
        }
      } catch {
        return error
      }
    }
    throw end
  }

  /// Ends the consumer when the agent is told to use another queue, or none.
  private func endWhenReplaced(_ consumer: Consumer, _ queue: String) async {
    do {
      try await context.membership.wait { $0.queue != queue }
      try await channel.cancel(consumer)
    } catch {
      // Cancelled, or the channel is gone: either way the consumer has ended by itself.
      return
    }
  }

  private func handle(_ delivery: Delivery, _ gate: CommandGate) async {
    do {
      switch decide(delivery.message, gate) {
      case .run(let command):
        if let builtIn = BuiltInCommand(rawValue: command.commandType) {
          try await inHand {
            let result = run(builtIn, command)
            context.builtIns.withLock { $0.finish(result) }
            try await report(result)
            try await channel.acknowledge(delivery.deliveryTag)
          }
        } else {
          try await hold(delivery, command)
        }
      case .cancel(let cancellation):
        try await context.desk.cancel(cancellation.commandID)
        try await channel.acknowledge(delivery.deliveryTag)
      case .answerAgain(let result):
        context.log.info("\(context.name) was sent the command \(result.commandID) again and repeats its result")
        try await answer(delivery, result)
      case .alreadyRunning(let id):
        context.log.info("\(context.name) was sent the command \(id) again while it runs")
        try await channel.acknowledge(delivery.deliveryTag)
      case .refuse(let result):
        context.log.warning("\(context.name) does not run the command \(result.commandID): \(result.error ?? "")")
        try await answer(delivery, result)
      case .drop(let reason, let commandID):
        context.log.error("\(context.name) rejected the message \(delivery.message.messageID ?? "without an id") of its queue: \(reason)")
        if let commandID { try await inHand { try await tellRefused(commandID, gate.agentID, reason) } }
        await drop(delivery)
      }
    } catch let error as MessageError {
      // Only a server that breaks the protocol gets here, with an id that no result may carry.
      context.log.error("\(context.name) cannot report on a command: \(error)")
      await drop(delivery)
    } catch {
      // The channel is gone or the agent stops. The delivery was not acknowledged: it comes again, and is then answered.
      context.log.debug("\(context.name) could not report a command, which will come again: \(error)")
    }
  }

  private func decide(_ message: Message, _ gate: CommandGate) -> CommandGate.Decision {
    let now = context.clock.now()
    return context.builtIns.withLock { memory in
      let decision = gate.judge(message, now: now, memory: memory) { id in context.desk.ledger.value.knows(id, now: now) }
      // Under the same lock, so that of two deliveries of one command one only is run.
      if case .run(let command) = decision, BuiltInCommand(rawValue: command.commandType) != nil { _ = memory.begin(command.id) }
      return decision
    }
  }

  /// Hands a command to the desk until it is taken. Of those that must wait, only so many are held: what is above that goes back to the queue after a
  /// while, so that the broker can send what is more urgent.
  private func hold(_ delivery: Delivery, _ command: Command) async throws {
    if let problem = unknown(command) {
      context.log.warning("\(context.name) does not run the command \(command.id): \(problem.error ?? "")")
      return try await answer(delivery, problem)
    }
    let isWithin = held.withLock { held in
      held += 1
      return held <= (context.desk.journal == nil ? 0 : Self.longest)
    }
    defer { held.withLock { $0 -= 1 } }
    while true {
      switch await context.desk.take(command) {
      case .kept:
        try await channel.acknowledge(delivery.deliveryTag)
        context.desk.journal?.reached(.acknowledged)
        return
      case .answer(let result): return try await answer(delivery, result)
      case .later:
        try await Task.sleep(for: Self.pause)
        if !isWithin { return try await channel.reject(delivery.deliveryTag, requeue: true) }
      }
    }
  }

  /// The answer to a command that nobody here can run. One that was taken already is the desk's, whatever lies in the folder now.
  private func unknown(_ command: Command) -> CommandResult? {
    let now = context.clock.now()
    if context.desk.ledger.value.knows(command.id, now: now) { return nil }
    do throws(ExecutableProblem) {
      _ = try context.settings.commandsFolder.find(command.commandType)
      return nil
    } catch {
      let text = Self.refusal(of: command.commandType, error, in: context.settings.commandsFolder)
      return CommandResult(
        commandID: command.id, agentID: command.agentID, status: .failed, error: text.cut(toBytes: MessageLimits.errorBytes),
        startedAt: now,
        finishedAt: now, sentAt: now)
    }
  }

  /// Why a command is not run: for one that there is none of with all that there is, else the reason alone.
  static func refusal(of name: String, _ problem: ExecutableProblem, in folder: CommandsFolder) -> String {
    guard problem.isAbsence else { return "\(problem)" }
    let names = BuiltInCommand.names(with: folder).joined(separator: ", ")
    // Where the folder has commands the problem's remedy is to list them, which has been done.
    let reason = folder.names().isEmpty ? "\(problem)" : problem.problem
    return "Unknown command '\(printable(name))': this agent knows \(names). \(reason)"
  }

  private func drop(_ delivery: Delivery) async {
    do throws(AMQPError) {
      try await channel.reject(delivery.deliveryTag, requeue: false)
    } catch {
      context.log.debug("\(context.name) could not reject a message, which will come again: \(error)")
    }
  }

  private func run(_ builtIn: BuiltInCommand, _ command: Command) -> CommandResult {
    context.log.info("\(context.name) received the command \(command.id) (\(command.commandType))")
    let began = ContinuousClock.now
    var result = CommandResult(
      commandID: command.id, agentID: command.agentID, status: .succeeded, startedAt: context.clock.now(), finishedAt: context.clock.now(),
      sentAt: context.clock.now())
    do throws(MessageError) {
      result.output = try builtIn.run(command.parameters, context)
    } catch {
      result.status = .failed
      result.error = "\(error)".cut(toBytes: MessageLimits.errorBytes)
    }
    result.finishedAt = context.clock.now()
    let outcome = result.error.map { "failed: \($0)" } ?? "succeeded"
    context.log.info(
      "\(context.name) finished the command \(command.id) (\(command.commandType)) in \(began.duration(to: .now).milliseconds) ms: \(outcome)"
    )
    return result
  }

  // MARK: Answering

  private func answer(_ delivery: Delivery, _ result: CommandResult) async throws {
    try await inHand {
      try await report(result)
      try await channel.acknowledge(delivery.deliveryTag)
    }
  }

  private func report(_ result: CommandResult) async throws {
    _ = try await publisher.publishPatiently(.result, agentID: result.agentID, givesUpAfterThree: false) {
      var result = result
      result.sentAt = context.clock.now()
      return result
    }
  }

  private func tellRefused(_ id: String, _ agentID: String, _ reason: String) async throws {
    let at = context.clock.now()
    _ = try await publisher.publishPatiently(.result, agentID: agentID, givesUpAfterThree: false) {
      CommandProgress(
        commandID: id, agentID: agentID, stage: .refused, reason: reason.cut(toBytes: MessageLimits.errorBytes), at: at,
        sentAt: context.clock.now())
    }
  }

  /// Counts as work that a stop waits for.
  private func inHand(_ work: () async throws -> Void) async throws {
    context.commandsInHand.update { $0 += 1 }
    defer { context.commandsInHand.update { $0 -= 1 } }
    try await work()
  }
}
