import FleetProtocol
import ServiceRuntime

/// Publishes the progress and the results of commands on one channel, in order, each until the broker has confirmed it.
struct ReportPublisher: Sendable {
  private let context: AgentContext
  private let publisher: InboxPublisher

  init(_ context: AgentContext, _ publisher: InboxPublisher) {
    self.context = context
    self.publisher = publisher
  }

  /// Publishes until the channel is gone or the task is cancelled. What was not confirmed by then is for the next channel.
  func run() async throws {
    let desk = context.desk
    while true {
      let report = try await desk.ledger.first { $0.reports.first }
      switch report {
      case .progress(let progress):
        do {
          try await publish(progress, agentID: progress.agentID) { $0.sentAt = $1 }
        } catch let error as MessageError {
          context.log.error("\(context.name) cannot report the progress of the command \(progress.commandID): \(error)")
        }
        desk.ledger.update { $0.reported(report) }
      case .result(let id):
        guard let result = await desk.result(of: id) else {
          desk.ledger.update { $0.reported(report) }
          continue
        }
        try await publish(result)
        // First, so that an agent that stops does not wait for the disk too: the rest is for the next process should this one end here.
        desk.ledger.update { $0.reported(report) }
        await desk.confirmed(result)
      }
    }
  }

  private func publish(_ result: CommandResult) async throws {
    do {
      try await publish(result, agentID: result.agentID) { $0.sentAt = $1 }
    } catch let error as MessageError {
      // Output is kept within what a message may hold. Should that ever fail, the end of the command must still be known.
      context.log.error("\(context.name) cannot report the whole result of the command \(result.commandID): \(error)")
      let short = CommandResult(
        commandID: result.commandID, agentID: result.agentID, status: result.status, exitCode: result.exitCode,
        error: "The result cannot be sent as it is: \(error)", startedAt: result.startedAt, finishedAt: result.finishedAt,
        sentAt: result.sentAt)
      try await publish(short, agentID: short.agentID) { $0.sentAt = $1 }
    }
  }

  private func publish<Body: FleetMessage>(_ body: Body, agentID: String, _ stamp: (inout Body, Timestamp) -> Void) async throws {
    _ = try await publisher.publishPatiently(.result, agentID: agentID, givesUpAfterThree: false) {
      var body = body
      stamp(&body, context.clock.now())
      return body
    }
  }
}
