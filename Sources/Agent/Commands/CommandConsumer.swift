import AMQP
import FleetProtocol
import ServiceRuntime

/// Consumes the agent's queue on one channel and has its commands run, several at a time: a slow one delays no other.
struct CommandConsumer: Sendable {
  /// How many deliveries the agent holds, and so how many commands run at once.
  static let prefetch: UInt16 = 8

  private let context: AgentContext
  private let channel: Channel
  private let publisher: InboxPublisher

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

  /// Serves until the consumer ends; commands that were begun are finished first.
  private func serve(_ consumer: Consumer, _ gate: CommandGate) async throws(AMQPError) {
    let end = await withTaskGroup(of: Void.self, returning: AMQPError.self) { group in
      group.addTask { await self.endWhenReplaced(consumer, gate.queue) }
      defer { group.cancelAll() }
      do throws(AMQPError) {
        while true {
          for delivery in try await consumer.nextBatch(upTo: Int(Self.prefetch)) {
            // Left unacknowledged, it goes back to the queue with the end of the connection.
            if context.stop.value { continue }
            context.commandsInHand.update { $0 += 1 }
            group.addTask {
              await self.handle(delivery, gate)
              context.commandsInHand.update { $0 -= 1 }
            }
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
    let now = context.clock.now()
    let decision = context.commands.withLock { memory in
      let decision = gate.judge(delivery.message, now: now, memory: memory)
      // Under the same lock, so that of two deliveries of one command one only is run.
      if case .run(let command) = decision { _ = memory.begin(command.id) }
      return decision
    }
    do {
      switch decision {
      case .run(let command):
        let result = run(command)
        context.commands.withLock { $0.finish(result) }
        try await report(result)
      case .answerAgain(let result):
        context.log.info("\(context.name) was sent the command \(result.commandID) again and repeats its result")
        try await report(result)
      case .alreadyRunning(let id):
        context.log.info("\(context.name) was sent the command \(id) again while it runs")
      case .refuse(let result):
        context.log.warning("\(context.name) does not run the command \(result.commandID): \(result.error ?? "")")
        try await report(result)
      case .drop(let reason):
        context.log.error("\(context.name) rejected the message \(delivery.message.messageID ?? "without an id") of its queue: \(reason)")
        await drop(delivery)
        return
      }
      try await channel.acknowledge(delivery.deliveryTag)
    } catch let error as MessageError {
      // Only a server that breaks the protocol gets here, with an id that no result may carry.
      context.log.error("\(context.name) cannot report on a command: \(error)")
      await drop(delivery)
    } catch {
      // The channel is gone or the agent stops. The delivery was not acknowledged: it comes again, and is then answered from memory.
      context.log.debug("\(context.name) could not report a command, which will come again: \(error)")
    }
  }

  private func drop(_ delivery: Delivery) async {
    do throws(AMQPError) {
      try await channel.reject(delivery.deliveryTag, requeue: false)
    } catch {
      context.log.debug("\(context.name) could not reject a message, which will come again: \(error)")
    }
  }

  private func run(_ command: Command) -> CommandResult {
    context.log.info("\(context.name) received the command \(command.id) (\(command.commandType))")
    let began = ContinuousClock.now
    var result = CommandResult(
      commandID: command.id, agentID: command.agentID, status: .succeeded, startedAt: context.clock.now(), finishedAt: context.clock.now(),
      sentAt: context.clock.now())
    if let builtIn = BuiltInCommand(rawValue: command.commandType) {
      result.output = builtIn.run(context)
    } else {
      result.status = .failed
      result.error = "Unknown command '\(printable(command.commandType))': this agent knows \(BuiltInCommand.names)"
    }
    result.finishedAt = context.clock.now()
    let outcome = result.error.map { "failed: \($0)" } ?? "succeeded"
    context.log.info(
      "\(context.name) finished the command \(command.id) (\(command.commandType)) in \(began.duration(to: .now).milliseconds) ms: \(outcome)"
    )
    return result
  }

  private func report(_ result: CommandResult) async throws {
    _ = try await publisher.publishPatiently(.result, agentID: result.agentID, givesUpAfterThree: false) {
      var result = result
      result.sentAt = context.clock.now()
      return result
    }
  }
}
