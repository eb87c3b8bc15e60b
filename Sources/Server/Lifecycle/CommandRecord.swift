import FleetProtocol
import ServiceRuntime

/// A locked row while the reports of one batch are applied to it: what is to be written, and what is to be told. A pure decision.
struct CommandRecord: Sendable {
  /// What is told of the command: a status, or that the agent refused a message.
  struct Event: Sendable, Equatable {
    let word: String
    var corrects: CommandStatus?
    var error: String?
    var exitCode: Int?
  }

  let row: LockedCommand
  private let now: Timestamp
  private(set) var lifecycle: CommandLifecycle
  private(set) var queuedAt: Timestamp?
  private(set) var deliveredAt: Timestamp?
  private(set) var startedAt: Timestamp?
  private(set) var finishedAt: Timestamp?
  /// When the server ends it if its agent stays silent.
  private(set) var runUntil: Timestamp?
  private(set) var error: String?
  private(set) var result: CommandResult?
  /// Whether the row is to be written.
  private(set) var isChanged = false
  private(set) var events: [Event] = []

  /// `now` is the database's clock.
  init(_ row: LockedCommand, now: Timestamp) {
    self.row = row
    self.now = now
    lifecycle = row.lifecycle
    queuedAt = row.queuedAt
    deliveredAt = row.deliveredAt
    startedAt = row.startedAt
    runUntil = row.runUntil
  }

  /// Applies the next report.
  mutating func take(_ report: CommandReport) -> ReportOutcome {
    switch report {
    case .progress(let progress): take(progress)
    case .result(let result): take(result)
    }
  }

  private mutating func take(_ progress: CommandProgress) -> ReportOutcome {
    switch progress.stage {
    case .delivered:
      guard let transition = lifecycle.transition(by: .delivered) else { return .duplicate }
      deliveredAt = clamped(progress.at)
      advance(transition, queuedAtLatest: progress.at)
    case .running:
      // The same report twice has the same time; a later one is another start.
      let isAgain = lifecycle.status == .running && startedAt.map { clamped(progress.at) > $0 } ?? false
      guard let transition = lifecycle.transition(by: isAgain ? .restarted : .running) else { return .duplicate }
      startedAt = clamped(progress.at)
      // What is started at once is not reported before: it was in the journal by then.
      deliveredAt = deliveredAt ?? startedAt
      runUntil = Self.end(of: progress, timeoutSeconds: row.timeoutSeconds, heardAt: now)
      advance(transition, queuedAtLatest: progress.at)
    case .refused:
      let reason = "the agent refused a message that claimed to be this command: \(progress.reason ?? "no reason is told")"
      events.append(Event(word: CommandProgress.Stage.refused.rawValue, error: reason))
      guard !lifecycle.status.isFinal else { return .refused(reason) }
      error = reason
      isChanged = true
      return .refused(reason)
    }
    return .accepted
  }

  private mutating func take(_ result: CommandResult) -> ReportOutcome {
    guard let transition = lifecycle.transition(by: .ended(result.status)) else { return .duplicate }
    self.result = result
    finishedAt = clamped(result.finishedAt)
    runUntil = nil
    // What was called off or too late before it was started has no start.
    let wasStarted = result.status != .expired && (result.status != .cancelled || result.startedAt < result.finishedAt)
    if wasStarted { startedAt = clamped(result.startedAt) }
    advance(transition, queuedAtLatest: result.startedAt, isAgentsWord: true)
    error = result.error
    return .accepted
  }

  /// A quick agent's word comes before the mark that its command is queued: it was in the queue by then, at the latest.
  private mutating func advance(_ transition: CommandLifecycle.Transition, queuedAtLatest: Timestamp, isAgentsWord: Bool = false) {
    lifecycle = CommandLifecycle(transition.to, isAgentsWord: isAgentsWord)
    queuedAt = queuedAt ?? clamped(queuedAtLatest)
    error = nil
    isChanged = true
    guard transition.isNews else { return }
    events.append(
      Event(
        word: transition.to.rawValue, corrects: transition.corrects, error: isAgentsWord ? result?.error : nil,
        exitCode: isAgentsWord ? result?.exitCode : nil))
  }

  /// Agents' clocks are corrected and may be wrong all the same: none of their times lies in the future.
  private func clamped(_ time: Timestamp) -> Timestamp { min(time, now).storable }

  /// When a running command's agent counts as silent, by the server's clock.
  ///
  /// Reckoned from what two readings of the agent's clock differ by, not from what it shows: however wrong it is, a command is not ended early. A
  /// report that was long on its way leaves the result, which is behind it, the grace from now.
  static func end(of progress: CommandProgress, timeoutSeconds: Int?, heardAt now: Timestamp) -> Timestamp {
    let runsFor = max(.zero, progress.sentAt.since(progress.at))
    let limit = Duration.seconds(timeoutSeconds ?? Command.defaultTimeoutSeconds)
    return now.advanced(by: max(.zero, limit - runsFor) + CommandStore.executionGrace).storable
  }
}
