import FleetProtocol

/// Where a command stands, and what may become of it: the one place that decides which transition an event makes.
///
/// A value without a clock or a database. `docs/commands.md` shows it as a table; a test holds the two together.
public struct CommandLifecycle: Sendable, Hashable {
  /// `commands.status`.
  public let status: CommandStatus
  /// Whether the end is what the agent said (`commands.ended_by`), and not only what the server believed. Before the end it means nothing.
  public let isAgentsWord: Bool

  /// A command that stands so.
  public init(_ status: CommandStatus, isAgentsWord: Bool = false) {
    self.status = status
    self.isAgentsWord = isAgentsWord
  }

  /// What may happen to a command.
  public enum Event: Sendable, Hashable {
    /// The broker has taken it for the agent's queue.
    case queued
    /// Its agent has registered anew: the queue it was in is no more.
    case requeued
    /// The agent has written it to its journal.
    case delivered
    /// The agent has started it.
    case running
    /// The agent has started it once more, because it died while the command ran and the command may be repeated.
    case restarted
    /// The agent says how it ended.
    case ended(CommandResult.Outcome)
    /// The agent did not believe a message that claimed to be this command.
    case refused
    /// The time within which it was to be started is over.
    case overdue
    /// The time that it may run is over, and its agent stays silent.
    case overrun
    /// Somebody calls it off.
    case cancelRequested
    /// It was called off, and no answer is to be waited for: its agent is offline, has no queue, or had not been given it.
    case cancelUnanswered
    /// It can never be sent.
    case undeliverable
  }

  /// A change of status.
  public struct Transition: Sendable, Hashable {
    /// The status before.
    public let from: CommandStatus
    /// The status after.
    public let to: CommandStatus

    /// Whether anybody else need know: `from` and `to` are the same when an agent confirms what the server had believed, or starts again.
    public var isNews: Bool { from != to }
    /// The end that turned out to be wrong.
    public var corrects: CommandStatus? { isNews && from.isFinal ? from : nil }
  }

  /// What an event makes of the command; `nil` when it changes nothing.
  ///
  /// What an agent says comes in any order (a quick one's result is there before the mark that its command was queued), so its word moves a command
  /// forward from wherever it stands. Its word about the end beats what the server believed, and is final.
  public func transition(by event: Event) -> Transition? {
    next(event).map { Transition(from: status, to: $0) }
  }

  private func next(_ event: Event) -> CommandStatus? {
    switch (status, event) {
    case (.pending, .queued): .queued
    case (.queued, .requeued): .pending
    case (.pending, .delivered), (.queued, .delivered): .delivered
    case (.pending, .running), (.queued, .running), (.delivered, .running): .running
    case (.pending, .restarted), (.queued, .restarted), (.delivered, .restarted), (.running, .restarted): .running
    case (_, .ended(let outcome)): status.isFinal && isAgentsWord ? nil : outcome.status
    case (.pending, .overdue), (.queued, .overdue), (.delivered, .overdue): .expired
    // What an agent fetched by polling has no start that anybody is told of.
    case (.delivered, .overrun), (.running, .overrun): .timedOut
    case (.pending, .cancelRequested): .cancelled
    case (.pending, .cancelUnanswered), (.queued, .cancelUnanswered), (.delivered, .cancelUnanswered): .cancelled
    case (.pending, .undeliverable), (.queued, .undeliverable), (.delivered, .undeliverable): .undeliverable
    default: nil
    }
  }
}

extension CommandResult.Outcome {
  /// The status of a command that ended so.
  public var status: CommandStatus {
    switch self {
    case .succeeded: .succeeded
    case .failed: .failed
    case .timedOut: .timedOut
    case .cancelled: .cancelled
    case .expired: .expired
    }
  }
}
