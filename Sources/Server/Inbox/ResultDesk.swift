import AMQP
import FleetProtocol
import MySQL
import ServiceRuntime

/// Takes what agents say of their commands from `fleet.results` to the `commands` table: progress and results, in their order, a batch in a transaction.
/// A repetition is acknowledged and changes nothing.
struct ResultDesk: Sendable {
  /// Reports read at once. A result has up to `MessageLimits.resultBodyBytes`, so this and the prefetch bound a worker's memory.
  static let batchSize = 64
  /// Reports held: those being stored and the next batch.
  static let prefetch = UInt16(2 * batchSize)
  /// Refusals that are stored: a minute of one agent, and of all.
  private static let refusalLimits = RefusalLimiter(perSource: 5, altogether: 300)

  let store: CommandStore
  let events: SystemEventStore
  let context: InboxContext
  private let refusals = Lock(refusalLimits)

  init(store: CommandStore, events: SystemEventStore, context: InboxContext) {
    self.store = store
    self.events = events
    self.context = context
  }

  /// Works until the connection breaks or the task is cancelled.
  func run(on connection: AMQP.Connection) async throws {
    let inbox = try await InboxQueue<CommandReport>(.result, on: connection, prefetch: Self.prefetch, context: context)
    try await inbox.forEachBatch(upTo: Self.batchSize) { verdicts in
      var accepted: [Verified<CommandReport>] = []
      var refused: [Refusal] = []
      var unusable: [Unusable] = []
      for verdict in verdicts {
        switch verdict {
        case .accepted(let report): if isStored(report) { accepted.append(report) }
        case .refused(let refusal): refused.append(refusal)
        case .unusable(let letter): unusable.append(letter)
        }
      }
      inbox.metrics.batch.observe(Double(verdicts.count))
      let outcomes = try await apply(accepted, inbox.metrics)
      for (report, outcome) in zip(accepted, outcomes) {
        if let letter = try await tell(report, outcome) { unusable.append(letter) }
      }
      if !accepted.isEmpty {
        context.signals.events.raise()
        context.signals.rollouts.raise()
      }
      inbox.metrics.accepted.add(verdicts.count - refused.count - unusable.count)
      let letters = try await inbox.settle(refused: refused, unusable: unusable)
      guard let first = verdicts.first, let last = verdicts.last else { return }
      try await inbox.acknowledge(first.delivery.deliveryTag...last.delivery.deliveryTag, except: letters)
    }
  }

  /// Whoever can put messages into an agent's queue can make it refuse them: that must not fill the tables of events.
  private func isStored(_ report: Verified<CommandReport>) -> Bool {
    guard case .progress(let progress) = report.body, progress.stage == .refused else { return true }
    switch refusals.withLock({ $0.decide(report.delivery.routingKey, at: .now) }) {
    case .suppress: return false
    case .write(let suppressed):
      if suppressed > 0 { context.logger.warning("\(suppressed) more refusals of agent \(report.agentIDs) were not stored") }
      return true
    }
  }

  /// Stores all in one transaction; when the database refuses that for one bad value, each by itself, so that no good one is lost.
  private func apply(_ reports: [Verified<CommandReport>], _ metrics: QueueMetrics) async throws -> [ReportOutcome] {
    guard !reports.isEmpty else { return [] }
    let signed = reports.map { SignedReport($0.body, from: $0.address) }
    do {
      return try await context.whileDatabaseIsAway { try await metrics.commit.time { try await store.apply(signed) } }
    } catch let error where (error is MySQLError || error is MessageError) && reports.count > 1 {
      context.logger.warning("A batch of \(reports.count) reports was refused by the database, writing them one by one: \(error)")
      var outcomes: [ReportOutcome] = []
      for report in reports { outcomes += try await apply([report], metrics) }
      return outcomes
    } catch let error where error is MySQLError || error is MessageError {
      return [.unusable("\(error)")]
    }
  }

  private func tell(_ report: Verified<CommandReport>, _ outcome: ReportOutcome) async throws -> Unusable? {
    let (id, agent) = (report.body.commandID, report.agentIDs)
    switch (outcome, report.body) {
    case (.accepted, .result(let result)): context.logger.info("Command \(id) \(result.status.rawValue) on agent \(agent)")
    case (.accepted, .progress(let progress)): context.logger.debug("Command \(id) \(progress.stage.rawValue) on agent \(agent)")
    case (.duplicate, _): context.logger.debug("Command \(id) was further before; the repeated report changes nothing")
    case (.refused(let reason), _): try await record(report, reason)
    case (.unknown, .progress(let progress)) where progress.stage == .refused:
      // A message that was made up names a command that there is not.
      try await record(report, "the agent refused a message of an unknown command: \(progress.reason ?? "no reason is told")")
    case (.unknown, _): return Unusable(delivery: report.delivery, reason: "agent \(agent) has no command \(id)")
    case (.unusable(let reason), _): return Unusable(delivery: report.delivery, reason: reason)
    }
    return nil
  }

  private func record(_ report: Verified<CommandReport>, _ reason: String) async throws {
    context.logger.warning("Command \(report.body.commandID) on agent \(report.agentIDs): \(reason)")
    let event = SystemEvent(
      "command_refused", severity: .warning, clientID: report.address.clientID, agentID: report.body.agentID,
      source: report.delivery.routingKey, message: reason, metadata: ["command_id": .string(report.body.commandID)])
    try await context.whileDatabaseIsAway { try await events.insert(event) }
  }
}

extension Verified<CommandReport> {
  /// The row's id and the agent's name, for the log: operators search it for either.
  fileprivate var agentIDs: String { "\(body.agentID) '\(address.logicalAgentID)'" }
}
