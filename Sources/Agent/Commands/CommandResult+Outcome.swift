import FleetProtocol
import ServiceRuntime

/// Why a program was made to end before its time limit.
enum EarlyEnd: Sendable, Equatable {
  /// The command was called off.
  case cancelled
  /// The agent stopped.
  case stopped
}

extension CommandResult {
  /// The result of a command whose program was run. `early` says who ended it, should somebody have.
  init(
    _ ticket: CommandLedger.Ticket, _ outcome: ExecutableRunner.Outcome, early: EarlyEnd, timeLimit: Duration, startedAt: Timestamp,
    finishedAt: Timestamp
  ) {
    let (status, exitCode, error): (Outcome, Int?, String?) =
      switch outcome.end {
      case .exited(0): (.succeeded, 0, nil)
      case .exited(let code): (.failed, Int(code), "Ended with exit code \(code)")
      case .signalled(let signal): (.failed, nil, "Ended by signal \(signal)")
      case .timedOut: (.timedOut, nil, "Did not end within \(timeLimit.shortText) and was killed")
      case .failedToStart(let problem): (.failed, nil, problem)
      case .cancelled:
        early == .cancelled
          ? (.cancelled, nil, "Called off while it ran, and killed")
          : (.failed, nil, "The agent was stopped while the command ran, and the command was killed")
      }
    var hasRun = true
    if case .failedToStart = outcome.end { hasRun = false }
    self.init(
      commandID: ticket.id, agentID: ticket.agentID, status: status, exitCode: exitCode,
      standardOutput: hasRun ? outcome.standardOutput.text : nil, standardError: hasRun ? outcome.standardError.text : nil,
      standardOutputBytes: hasRun ? outcome.standardOutput.bytes : nil, standardErrorBytes: hasRun ? outcome.standardError.bytes : nil,
      error: error?.cut(toBytes: MessageLimits.errorBytes), startedAt: startedAt, finishedAt: finishedAt, sentAt: finishedAt)
  }

  /// A command that was never started, and why.
  init(_ status: Outcome, _ ticket: CommandLedger.Ticket, error: String, now: Timestamp) {
    self.init(
      commandID: ticket.id, agentID: ticket.agentID, status: status, error: error.cut(toBytes: MessageLimits.errorBytes), startedAt: now,
      finishedAt: now, sentAt: now)
  }

  /// A command whose time to be started has passed.
  static func expired(_ id: String, agentID: String, at expiry: Timestamp, now: Timestamp) -> CommandResult {
    CommandResult(
      commandID: id, agentID: agentID, status: .expired,
      error: "The command expired at \(expiry.iso8601), before it could be started at \(now.iso8601)", startedAt: now, finishedAt: now,
      sentAt: now)
  }
}
