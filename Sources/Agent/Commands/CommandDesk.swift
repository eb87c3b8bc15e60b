import FleetProtocol
import ServiceRuntime

/// Takes commands for executables over, has them run in their turn, and keeps their results until they were reported: the shell around
/// `CommandLedger` and `Journal`. It lives as long as the agent, whatever becomes of its connections.
final class CommandDesk: Sendable {
  /// Commands that are not reported yet, at most. What comes above that stays in the queue.
  static let room = 1_000

  /// What became of a command that was delivered.
  enum Taken: Sendable, Equatable {
    /// It is on disk, or was reported: its delivery is done with.
    case kept
    /// It is not run: report this, then the delivery is done with.
    case answer(CommandResult)
    /// It cannot be taken now: no room, or a disk that cannot be written.
    case later
  }

  /// Where every command stands.
  let ledger: Observed<CommandLedger>
  /// `nil` for an agent that has no state folder: then commands live in memory, and a delivery is done with when its result was reported.
  let journal: Journal?
  private let trouble: DiskTrouble?
  private let clock: FleetClock
  private let log: Logger

  private init(_ ledger: CommandLedger, _ journal: Journal?, _ clock: FleetClock, _ log: Logger) {
    self.ledger = Observed(ledger)
    self.journal = journal
    self.clock = clock
    self.log = log
    trouble = journal.map { DiskTrouble($0.path, log) }
  }

  /// A desk whose commands live in memory: no more than the deliveries that one consumer can hold.
  static func inMemory(places: Int, clock: FleetClock, log: Logger) -> CommandDesk {
    CommandDesk(CommandLedger(places: places, room: CommandConsumer.longest), nil, clock, log)
  }

  /// A desk that goes on with what the journal holds.
  static func resuming(
    _ journal: Journal, _ contents: Journal.Contents, places: Int, folder: CommandsFolder, clock: FleetClock, log: Logger
  ) async -> CommandDesk {
    for problem in contents.problems { log.error(problem) }
    let desk = CommandDesk(CommandLedger(places: places, room: room, done: contents.done), journal, clock, log)
    for entry in contents.entries { await desk.resume(entry, folder) }
    return desk
  }

  private func resume(_ entry: JournalEntry, _ folder: CommandsFolder) async {
    let recovery = JournalRecovery(entry, now: clock.now()) { command in
      do throws(ExecutableProblem) {
        return try folder.find(command.commandType).isRepeatable
      } catch {
        log.debug("The command \(command.id) was running and cannot be run again: \(error)")
        return false
      }
    }
    switch recovery {
    case .wait(let command):
      log.info("The command \(command.id) (\(command.commandType)) waits since before the agent started")
      ledger.update { $0.resume(CommandLedger.Ticket(command, number: entry.number, starts: entry.starts)) }
    case .runAgain(let entry, let command):
      log.warning(
        "The agent ended while the command \(command.id) (\(command.commandType)) ran; it declares itself repeatable and is run again")
      // When it cannot be written, the next start counts one too few.
      _ = await write(entry)
      ledger.update { $0.resume(CommandLedger.Ticket(command, number: entry.number, starts: entry.starts)) }
    case .fail(let result):
      log.error("Command \(result.commandID): \(result.error ?? "")")
      let kept = await keep(result, number: entry.number)
      ledger.update { $0.resume(ended: result, number: entry.number, inMemory: kept) }
    case .report(let result):
      log.info("The result of the command \(result.commandID) waits to be reported since before the agent started")
      ledger.update { $0.resume(ended: result, number: entry.number, inMemory: nil) }
    }
  }

  // MARK: Deliveries

  /// Takes a command over. Without a journal it returns when the result was reported, or the task is cancelled.
  func take(_ command: Command) async -> Taken {
    switch ledger.update({ $0.arrive(command, inMemory: journal == nil, now: clock.now()) }) {
    case .new(let ticket):
      guard await accept(command, ticket) else { return .later }
      return await whenKept(command.id)
    case .known(.arriving): return .later
    case .known:
      log.info("The command \(command.id) came again while the agent has it")
      return await whenKept(command.id)
    case .done(let record):
      log.info("The command \(command.id) came again after it was reported")
      return .answer(record.result(commandID: command.id, agentID: command.agentID, now: clock.now()))
    case .calledOff: return .answer(.cancelledBeforeStart(command.id, agentID: command.agentID, now: clock.now()))
    case .full:
      log.debug("The command \(command.id) stays in the queue: \(Self.room) others are not reported yet")
      return .later
    }
  }

  private func accept(_ command: Command, _ ticket: CommandLedger.Ticket) async -> Bool {
    if let journal {
      journal.reached(.arrived)
      guard await write(JournalEntry(number: ticket.number, .accepted(command))) else {
        ledger.update { $0.dropped(command.id) }
        return false
      }
      journal.reached(.accepted)
    }
    log.info("Took over the command \(command.id) (\(command.commandType))")
    let isWanted = ledger.update { $0.accepted(command.id, at: clock.now()) }
    if !isWanted { await withdraw(ticket) }
    return true
  }

  private func whenKept(_ id: String) async -> Taken {
    guard journal == nil else { return .kept }
    do throws(CancellationError) {
      try await ledger.wait { $0.entries[id] == nil }
      return .kept
    } catch {
      return .later
    }
  }

  /// Calls a command off. Returns when that cannot be forgotten any more: when its end is in the journal, or it has ended, or is not here.
  func cancel(_ id: String) async throws(CancellationError) {
    switch ledger.update({ $0.cancel(id, now: clock.now()) }) {
    case .withdraw(let ticket): await withdraw(ticket)
    case .inHand: try await ledger.wait { !$0.isUnderWay(id) }
    case .remembered: log.info("The command \(id) was called off and is not here; should it come, it is not run")
    case .over: log.debug("The command \(id) was called off and has ended already")
    }
  }

  private func withdraw(_ ticket: CommandLedger.Ticket) async {
    await end(.cancelledBeforeStart(ticket.id, agentID: ticket.agentID, now: clock.now()), ticket)
  }

  // MARK: Running

  /// Has commands run until the task is cancelled. When the agent stops, what runs gets `grace` to end by itself; what then still runs is ended.
  func run(_ context: AgentContext) async {
    await withDiscardingTaskGroup { group in
      group.addTask { await self.openWhenRegistered(context) }
      group.addTask { await self.endWhenStopped(context) }
      do throws(CancellationError) {
        while true {
          try await ledger.wait { $0.next != nil }
          guard let ticket = ledger.update({ $0.beginNext() }) else { continue }
          group.addTask { await CommandRun(context, self, ticket).run() }
        }
      } catch {
        // Cancelled, and with it every run: the group waits for them.
      }
    }
  }

  private func openWhenRegistered(_ context: AgentContext) async {
    do throws(CancellationError) {
      try await context.membership.wait { $0.hasBegun }
      ledger.update { $0.open() }
    } catch {
      // It never was: nothing is begun.
    }
  }

  private func endWhenStopped(_ context: AgentContext) async {
    do {
      try await context.stop.wait { $0 }
      ledger.update { $0.stop() }
      try await withDeadline(context.timings.commandGrace) { try await self.ledger.wait { $0.busy == 0 } }
    } catch is DeadlineExceeded {
      log.warning("\(ledger.value.busy) commands still run and are ended, because the agent stops")
      ledger.update { $0.end() }
    } catch {
      // Cancelled: every run is cancelled too.
    }
  }

  /// A command has ended: writes its result and has it reported.
  func end(_ result: CommandResult, _ ticket: CommandLedger.Ticket) async {
    let kept = await keep(result, number: ticket.number)
    ledger.update { $0.ended(ticket.id, result: kept) }
  }

  /// Writes an entry; `false` when the disk does not take it, which is told.
  func write(_ entry: JournalEntry) async -> Bool {
    guard let journal else { return true }
    do throws(FileError) {
      try await DiskWork.run { () throws(FileError) in try journal.write(entry) }
    } catch {
      trouble?.failed(error)
      return false
    }
    trouble?.works()
    return true
  }

  /// Puts a result into the journal; returns it when it has to be kept in memory instead.
  private func keep(_ result: CommandResult, number: Int64) async -> CommandResult? {
    guard let journal, await write(JournalEntry(number: number, .ended(result))) else { return result }
    journal.reached(.finished)
    return nil
  }

  // MARK: Reporting

  /// The result of a command that has ended.
  func result(of id: String) async -> CommandResult? {
    guard let entry = ledger.value.entries[id] else { return nil }
    if let result = entry.result { return result }
    guard let journal else { return nil }
    do throws(JournalDamage) {
      let stored = try await DiskWork.run { () throws(JournalDamage) in try journal.read(id) }
      if case .ended(let result) = stored.state { return result }
      throw JournalDamage(description: "The journal holds no result of the command \(id)")
    } catch {
      log.error("\(error)")
      let now = clock.now()
      return CommandResult(
        commandID: id, agentID: entry.ticket.agentID, status: .failed,
        error: "The command has ended, but its result was lost: \(error)"
          .cut(toBytes: MessageLimits.errorBytes), startedAt: now, finishedAt: now, sentAt: now)
    }
  }

  /// The broker has a result: what is left of the command is its id.
  func confirmed(_ result: CommandResult) async {
    let id = result.commandID
    let record = DoneRecord(result)
    if let journal {
      journal.reached(.confirmed)
      let isOnDisk = ledger.value.entries[id]?.result == nil
      do throws(FileError) {
        try await DiskWork.run { () throws(FileError) in try journal.close(id, record, holdsResult: isOnDisk) }
      } catch {
        // The next process reports the result once more, which changes nothing.
        trouble?.failed(error)
      }
    }
    ledger.update { $0.close(id, record) }
  }
}

extension CommandResult {
  /// A command that was called off before its turn.
  static func cancelledBeforeStart(_ id: String, agentID: String, now: Timestamp) -> CommandResult {
    CommandResult(
      commandID: id, agentID: agentID, status: .cancelled, error: "Called off before it was started", startedAt: now, finishedAt: now,
      sentAt: now)
  }
}

extension String {
  /// The text, cut to whole characters within so many bytes of UTF-8.
  func cut(toBytes most: Int) -> String {
    if utf8.count <= most { return self }
    var bytes = Array(utf8.prefix(most))
    bytes.removeLast(TextRepair.incompleteSuffix(of: bytes[...]))
    return String(decoding: bytes, as: UTF8.self)
  }
}
