import AMQP
import FleetProtocol
import ServiceRuntime

/// The agent while it has a connection: registration, heartbeats, commands, spot notices and the renewal of its credential.
struct ConnectedAgent: Sendable {
  private let context: AgentContext
  private let connection: Connection
  private let endpoint: Endpoint
  private let healthy: @Sendable () -> Void
  private let flow = Observed(Flow.unblocked)
  /// What sends heartbeats on the channel in use.
  private let heartbeats = Lock<HeartbeatSender?>(nil)

  init(_ context: AgentContext, _ connection: Connection, _ endpoint: Endpoint, healthy: @escaping @Sendable () -> Void) {
    self.context = context
    self.connection = connection
    self.endpoint = endpoint
    self.healthy = healthy
  }

  private enum End { case flow, renewed }

  /// Works until the credential was renewed, and a connection with the new one should take over. Throws when the connection or a channel
  /// fails, when the task is cancelled, and `AgentExit`; `.stopped` after the agent was asked to stop and has said farewell.
  func run() async throws {
    try await withThrowingTaskGroup(of: End.self) { group in
      group.addTask {
        await watchFlow()
        return .flow
      }
      group.addTask {
        try await renewWhenDue()
        return .renewed
      }
      group.addTask { try await useChannels() }
      group.addTask {
        try await context.stop.wait { $0 }
        try await leave()
        throw AgentExit.stopped
      }
      defer { group.cancelAll() }
      while let end = try await group.next() {
        if end == .renewed { return }
      }
    }
  }

  private func watchFlow() async {
    for await change in connection.flow {
      flow.update { $0 = change }
      switch change {
      case .blocked(let reason):
        context.log.warning("\(context.name) publishes nothing: the broker takes no messages (\(printable(reason)))")
      case .unblocked: context.log.info("\(context.name) publishes again: the broker takes messages")
      }
    }
  }

  /// Returns when there is a new credential. While the server gives none, the agent goes on with what it has.
  private func renewWhenDue() async throws {
    try await Task.sleep(for: context.credentials.renewalDelay(chance: Double.random(in: 0..<1)))
    let client = endpoint.address
    var failures = context.failures()
    while true {
      do throws(ServerFailure) {
        try await context.credentials.renew()
        if context.credentials.address != client { context.membership.update { $0.moved() } }
        return
      } catch {
        let (operation, failure): (Operation, Failure) =
          switch error {
          case .cancelled: throw CancellationError()
          case .failed(let operation, let failure): (operation, failure)
          case .malformed(let operation, let problem): (operation, .connection("The answer cannot be used: \(problem)"))
          }
        let (delay, lines) = failures.failed(operation, failure, givesUpAfterThree: false)
        context.log.report(lines)
        try await Task.sleep(for: delay ?? context.timings.retryCeiling)
      }
    }
  }

  /// Works on one channel after the other: the broker closes a channel when it is asked for a queue that is gone.
  private func useChannels() async throws -> Never {
    while true {
      do {
        try await useChannel()
      } catch let error as AMQPError where error.kind == .channelClosed(code: 404) {
        // Only a missing queue of ours is mended by registering; a missing exchange is the broker's topology.
        guard context.membership.value.needsRegistration, context.membership.value.hasBegun else { throw error }
      }
    }
  }

  private func useChannel() async throws {
    let channel = try await connection.openChannel()
    try await channel.enableConfirms()
    try await channel.setPrefetch(CommandConsumer.prefetch)
    // Before anything is published: the broker takes a message with this reply-to from a channel only that consumes it.
    let consumer = try await channel.consume(Topology.replyToQueue, noAck: true)
    let sent = Lock(SentMessages())
    let publisher = InboxPublisher(context, channel, flow, endpoint, sent, healthy: healthy)
    let replies = Replies(context, endpoint, consumer, sent)
    let sender = HeartbeatSender(context, publisher)
    heartbeats.withLock { $0 = sender }
    context.publisher.withLock { $0 = publisher }
    defer {
      heartbeats.withLock { $0 = nil }
      context.publisher.withLock { $0 = nil }
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await replies.run() }
      group.addTask { try await Registrar(context, publisher, replies).run() }
      group.addTask { try await CommandConsumer(context, channel, publisher).run() }
      group.addTask { try await ReportPublisher(context, publisher).run() }
      group.addTask { try await sender.run() }
      if let notices = context.notices { group.addTask { try await notices.run(context, publisher) } }
      // The first to fail ends them all; `waitForAll` would wait for the others.
      for try await _ in group {}
    }
  }

  /// Ends in good order: commands that are nearly done report, the last heartbeat says offline, the broker is told that we go. Closing the
  /// connection also ends whatever still waits for a confirm.
  private func leave() async throws {
    do {
      try await withDeadline(context.timings.commandGrace + context.timings.killGrace) {
        try await context.commandsInHand.wait { $0 == 0 }
        try await context.desk.ledger.wait { $0.busy == 0 && $0.reports.isEmpty }
      }
    } catch is DeadlineExceeded {
      let open = context.commandsInHand.value + context.desk.ledger.value.entries.count
      context.log.warning("\(context.name) stops while \(open) commands are not reported; that is made up for after its next start")
    }
    await heartbeats.withLock { $0 }?.sayFarewell()
    await connection.close()
  }
}
