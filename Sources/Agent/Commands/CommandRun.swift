import FleetProtocol
import Glibc
import ServiceRuntime

/// One command that has its turn: from the journal through its program to its result.
struct CommandRun: Sendable {
  /// Between attempts to write the journal.
  private static let diskPause = Duration.seconds(1)

  private let context: AgentContext
  private let desk: CommandDesk
  private let ticket: CommandLedger.Ticket
  private let processGroup = Lock<pid_t?>(nil)

  init(_ context: AgentContext, _ desk: CommandDesk, _ ticket: CommandLedger.Ticket) {
    self.context = context
    self.desk = desk
    self.ticket = ticket
  }

  /// Runs it. Afterwards it has ended, or, when the agent stops, is left in the journal for the next process.
  func run() async {
    guard let command = await load() else { return }
    if let expiresAt = command.expiresAt, expiresAt <= context.clock.now() {
      return await end(.expired(ticket.id, agentID: ticket.agentID, at: expiresAt, now: context.clock.now()))
    }
    let request: ExecutableRunner.Request
    let isRepeatable: Bool
    do {
      let file = try context.settings.commandsFolder.find(command.commandType)
      isRepeatable = file.isRepeatable
      request = try ExecutableRunner.Request(command, file: file, environment: environment)
    } catch {
      return await end(CommandResult(.failed, ticket, error: "\(error)", now: context.clock.now()))
    }
    let startedAt = context.clock.now()
    guard await recordStart(command, startedAt) else { return }
    desk.journal?.reached(.started)
    desk.ledger.update { $0.started(ticket.id, at: startedAt) }
    let outcome = await runProgram(request, live: command.streamsOutput ? LiveOutput(command, context) : nil)
    desk.journal?.reached(.ended)
    let early: EarlyEnd = desk.ledger.value.entries[ticket.id]?.isCancelled == true ? .cancelled : .stopped
    if outcome.end == .cancelled, early == .stopped, isRepeatable, desk.journal != nil { return await leaveForNextProcess(command) }
    await end(
      CommandResult(
        ticket, outcome, early: early, timeLimit: request.timeLimit, startedAt: startedAt, finishedAt: context.clock.now()))
  }

  private var environment: CommandEnvironment {
    CommandEnvironment(
      home: context.settings.home, agentID: ticket.agentID, logicalAgentID: context.logicalAgentID,
      clientID: context.credentials.address.clientID)
  }

  private func load() async -> Command? {
    if let command = desk.ledger.value.entries[ticket.id]?.command { return command }
    guard let journal = desk.journal else { return nil }
    let id = ticket.id
    do throws(JournalDamage) {
      let entry = try await DiskWork.run { () throws(JournalDamage) in try journal.read(id) }
      if case .accepted(let command) = entry.state { return command }
      throw JournalDamage(description: "The journal's entry of the command \(id) is not that of one that waits")
    } catch {
      context.log.error("\(error)")
      await end(CommandResult(.failed, ticket, error: "Not run, because it was lost: \(error)", now: context.clock.now()))
      return nil
    }
  }

  /// Writes that the program is about to be started; waits while the disk takes nothing. `false` when it is not to be started.
  private func recordStart(_ command: Command, _ startedAt: Timestamp) async -> Bool {
    while true {
      if desk.ledger.value.entries[ticket.id]?.isCancelled == true {
        await end(.cancelledBeforeStart(ticket.id, agentID: ticket.agentID, now: context.clock.now()))
        return false
      }
      if Task.isCancelled || desk.ledger.value.course != .open {
        // It is in the journal as accepted, or its delivery was not acknowledged.
        desk.ledger.update { $0.abandoned(ticket.id) }
        return false
      }
      if await desk.write(JournalEntry(number: ticket.number, starts: ticket.starts, .started(command, at: startedAt))) { return true }
      do {
        try await withDeadline(Self.diskPause) { try await desk.ledger.wait { $0.shouldEnd(ticket.id) || $0.course != .open } }
      } catch {
        // The pause is over, or the task was cancelled: both are looked at above.
        continue
      }
    }
  }

  private func runProgram(_ request: ExecutableRunner.Request, live: LiveOutput?) async -> ExecutableRunner.Outcome {
    context.log.info("\(context.name) runs the command \(ticket.id) (\(ticket.commandType))")
    let outcome = await withTaskGroup(of: ExecutableRunner.Outcome?.self) { group in
      group.addTask { await runUntilCalledOff(request, live) }
      group.addTask {
        await killWhenTimeIsUp()
        return nil
      }
      if let live {
        group.addTask {
          await live.run()
          return nil
        }
      }
      defer { group.cancelAll() }
      while let next = await group.next() { if let outcome = next { return outcome } }
      return ExecutableRunner.Outcome(end: .cancelled, standardOutput: .none, standardError: .none)
    }
    // Before the result: whoever follows the command has then seen all of it.
    await live?.finish()
    return outcome
  }

  private func runUntilCalledOff(_ request: ExecutableRunner.Request, _ live: LiveOutput?) async -> ExecutableRunner.Outcome? {
    await withTaskGroup(of: ExecutableRunner.Outcome?.self) { group in
      group.addTask {
        let outcome = await ExecutableRunner().run(request) { group in
          processGroup.withLock { $0 = group }
          desk.journal?.reached(.running)
        } onOutput: { stream, bytes in
          live?.append(stream, bytes)
        }
        processGroup.withLock { $0 = nil }
        return outcome
      }
      group.addTask {
        do throws(CancellationError) {
          try await desk.ledger.wait { $0.shouldEnd(ticket.id) }
        } catch {
          // It has ended by itself, or all is cancelled: either way the runner knows.
        }
        return nil
      }
      var outcome: ExecutableRunner.Outcome?
      while let next = await group.next() {
        outcome = next ?? outcome
        group.cancelAll()
      }
      return outcome
    }
  }

  /// An agent that stops has no time for a program that does not heed TERM.
  private func killWhenTimeIsUp() async {
    do {
      try await desk.ledger.wait { $0.course == .ending }
      try await Task.sleep(for: context.timings.killGrace)
    } catch {
      // The program has ended.
      return
    }
    processGroup.withLock { group in
      if let group { _ = kill(-group, SIGKILL) }
    }
  }

  private func leaveForNextProcess(_ command: Command) async {
    context.log.warning(
      "The command \(ticket.id) (\(ticket.commandType)) was ended with the agent; it is repeatable and runs again when the agent does")
    let entry = JournalEntry(number: ticket.number, starts: ticket.starts, .accepted(command))
    // Left as started when it cannot be written: the next process comes to the same conclusion.
    _ = await desk.write(entry)
    desk.ledger.update { $0.abandoned(ticket.id) }
  }

  private func end(_ result: CommandResult) async {
    let took = result.finishedAt.since(result.startedAt).milliseconds
    let outcome = result.error.map { "\(result.status.rawValue): \($0)" } ?? result.status.rawValue
    context.log.info("\(context.name) finished the command \(ticket.id) (\(ticket.commandType)) in \(took) ms: \(outcome)")
    await desk.end(result, ticket)
  }
}
