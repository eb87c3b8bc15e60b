import FleetProtocol
import ServiceRuntime

/// What a new process does with a command that its predecessor left in the journal.
enum JournalRecovery: Sendable, Equatable {
  /// It was never started: it takes its place among those that wait.
  case wait(Command)
  /// It was running, and declares that it may be run again: it waits as this entry.
  case runAgain(JournalEntry, Command)
  /// It was running: what it did is not known, so it has failed.
  case fail(CommandResult)
  /// Its result is there and only has to be reported.
  case report(CommandResult)

  /// Starts of a repeatable command at most: one that ends the agent each time would otherwise do so for ever.
  static let mostStarts = 3

  /// Decides. `isRepeatable` is asked only about what was running.
  init(_ entry: JournalEntry, now: Timestamp, isRepeatable: (Command) -> Bool) {
    switch entry.state {
    case .accepted(let command): self = .wait(command)
    case .ended(let result): self = .report(result)
    case .started(let command, let startedAt):
      let starts = entry.starts + 1
      let isRepeatable = isRepeatable(command)
      if isRepeatable && starts < Self.mostStarts {
        self = .runAgain(JournalEntry(number: entry.number, starts: starts, .accepted(command)), command)
      } else {
        let times = isRepeatable ? ", as in the \(starts - 1) starts before" : ""
        self = .fail(
          CommandResult(
            commandID: command.id, agentID: command.agentID, status: .failed,
            error: "The agent ended while the command ran\(times): what it did is not known, and it is not run again", startedAt: startedAt,
            finishedAt: now, sentAt: now))
      }
    }
  }
}
