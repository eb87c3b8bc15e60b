import FleetProtocol
import ServiceRuntime

/// Which commands for executables the agent has, how far each is, and what is to be reported: decides what is taken, what runs next and what a
/// cancellation does. A value that needs neither disk nor broker; it outlives connections. Built-in commands never come here.
struct CommandLedger: Sendable {
  /// What decides about a command's turn.
  struct Ticket: Sendable, Equatable {
    let id: String
    let agentID: String
    let commandType: String
    let priority: Int
    /// Counts arrivals; the lowest is the oldest.
    let number: Int64
    /// How often its program was started before.
    let starts: Int

    init(_ command: Command, number: Int64, starts: Int = 0) {
      id = command.id
      agentID = command.agentID
      commandType = command.commandType
      priority = command.priority
      self.number = number
      self.starts = starts
    }

    init(ended result: CommandResult, number: Int64) {
      id = result.commandID
      agentID = result.agentID
      commandType = ""
      priority = 0
      self.number = number
      starts = 0
    }
  }

  /// How far a command is.
  enum Stage: Sendable, Equatable {
    /// It is being written to the journal.
    case arriving
    /// It waits for its turn.
    case waiting
    /// It has its turn; its program has not begun.
    case starting
    /// Its program runs.
    case running
    /// It was called off before its turn, which is being written to the journal.
    case withdrawn
    /// It has a result that the broker has not confirmed.
    case ended
  }

  struct Entry: Sendable {
    let ticket: Ticket
    var stage: Stage
    var isCancelled = false
    /// The command, when there is no disk to keep it on.
    var command: Command?
    /// The result, when it is not on disk.
    var result: CommandResult?
  }

  /// What the server is to be told, in this order.
  enum Report: Sendable, Equatable {
    case progress(CommandProgress)
    /// The result of the command with this id.
    case result(String)
  }

  /// Whether commands are begun.
  enum Course: Sendable, Equatable {
    /// The agent was never registered: commands of a former process wait.
    case closed
    case open
    /// The agent stops: nothing is begun, what runs may end.
    case stopping
    /// What runs is made to end.
    case ending
  }

  /// What becomes of a command that has come.
  enum Arrival: Sendable, Equatable {
    /// It is new: keep it, then call `accepted`, or `dropped` when it cannot be kept.
    case new(Ticket)
    /// It is here already.
    case known(Stage)
    /// It was run and reported.
    case done(DoneRecord)
    /// It was called off before it came.
    case calledOff
    /// There is no room.
    case full
  }

  /// What a cancellation does.
  enum Cancellation: Sendable, Equatable {
    /// The command waits: write its end, then call `ended`.
    case withdraw(Ticket)
    /// It has its turn, or is just coming: whoever has it in hand ends it.
    case inHand
    /// It is not here; should it come, it is answered as cancelled.
    case remembered
    /// It has ended.
    case over
  }

  /// Cancellations of commands that have not come which are remembered.
  static let cancellationsKept = 1_000

  private let places: Int
  private let room: Int
  private(set) var course = Course.closed
  private(set) var entries: [String: Entry] = [:]
  private(set) var reports: [Report] = []
  private var done: DoneRecords
  private var cancelledAhead: [String] = []
  private var lastNumber: Int64 = 0

  /// A ledger for `places` programs at once and `room` commands that are not reported yet.
  init(places: Int, room: Int, done: DoneRecords = DoneRecords()) {
    self.places = places
    self.room = room
    self.done = done
  }

  // MARK: Looking

  /// What has its turn next; `nil` while nothing may begin. One that is being written is waited for, so that it cannot be overtaken by a lesser one.
  var next: Ticket? {
    guard course == .open, busy < places else { return nil }
    guard let best = foremost, best.stage == .waiting else { return nil }
    return best.ticket
  }

  private var foremost: Entry? {
    entries.values.lazy.filter { $0.stage == .waiting || $0.stage == .arriving }.max { left, right in
      (left.ticket.priority, -left.ticket.number) < (right.ticket.priority, -right.ticket.number)
    }
  }

  /// Whether a command has come before, or was called off.
  func knows(_ id: String, now: Timestamp) -> Bool {
    entries[id] != nil || cancelledAhead.contains(id) || done.find(id, now: now) != nil
  }

  /// Whether one more would be taken.
  var hasRoom: Bool { entries.count < room }

  /// How many programs run or are about to.
  var busy: Int { entries.values.count { $0.takesPlace } }

  /// Whether a command has not ended yet.
  func isUnderWay(_ id: String) -> Bool { entries[id].map { $0.stage != .ended } ?? false }

  /// Whether the one who has a command in hand should end it.
  func shouldEnd(_ id: String) -> Bool { course == .ending || entries[id]?.isCancelled == true }

  // MARK: Coming

  /// Takes up a command of a former process, from the journal.
  mutating func resume(_ ticket: Ticket) {
    entries[ticket.id] = Entry(ticket: ticket, stage: .waiting)
    lastNumber = max(lastNumber, ticket.number)
  }

  /// Takes up the result of a former process's command; `inMemory` is it too when it is not on disk.
  mutating func resume(ended result: CommandResult, number: Int64, inMemory: CommandResult?) {
    let ticket = Ticket(ended: result, number: number)
    entries[ticket.id] = Entry(ticket: ticket, stage: .ended, result: inMemory)
    lastNumber = max(lastNumber, number)
    reports.append(.result(ticket.id))
  }

  /// A command has come. `inMemory`: there is no disk to keep it on.
  mutating func arrive(_ command: Command, inMemory: Bool, now: Timestamp) -> Arrival {
    if let entry = entries[command.id] { return .known(entry.stage) }
    if let record = done.find(command.id, now: now) { return .done(record) }
    if let index = cancelledAhead.firstIndex(of: command.id) {
      cancelledAhead.remove(at: index)
      return .calledOff
    }
    guard hasRoom else { return .full }
    lastNumber += 1
    let ticket = Ticket(command, number: lastNumber)
    entries[command.id] = Entry(ticket: ticket, stage: .arriving, command: inMemory ? command : nil)
    return .new(ticket)
  }

  /// It is kept. Returns `false` when it was called off meanwhile: then it is withdrawn, see `Cancellation.withdraw`.
  mutating func accepted(_ id: String, at now: Timestamp) -> Bool {
    guard let entry = entries[id], entry.stage == .arriving else { return true }
    if entry.isCancelled {
      entries[id]?.stage = .withdrawn
      return false
    }
    entries[id]?.stage = .waiting
    if next?.id != id { tell(.delivered, entry.ticket, now) }
    return true
  }

  /// It could not be kept, and its delivery will come again.
  mutating func dropped(_ id: String) {
    guard let entry = entries.removeValue(forKey: id), entry.isCancelled else { return }
    remember(id)
  }

  // MARK: Running

  /// Gives the next command its turn.
  mutating func beginNext() -> Ticket? {
    guard let ticket = next else { return nil }
    entries[ticket.id]?.stage = .starting
    return ticket
  }

  /// Its program is started.
  mutating func started(_ id: String, at now: Timestamp) {
    guard let ticket = entries[id]?.ticket else { return }
    entries[id]?.stage = .running
    tell(.running, ticket, now)
  }

  /// It has ended; `result` only when it is not on disk.
  mutating func ended(_ id: String, result: CommandResult?) {
    guard entries[id] != nil else { return }
    entries[id]?.stage = .ended
    entries[id]?.result = result
    entries[id]?.command = nil
    reports.append(.result(id))
  }

  /// It is left as it is on disk, for the next process.
  mutating func abandoned(_ id: String) { entries[id] = nil }

  /// A cancellation has come.
  mutating func cancel(_ id: String, now: Timestamp) -> Cancellation {
    guard let entry = entries[id] else {
      if done.find(id, now: now) != nil { return .over }
      remember(id)
      return .remembered
    }
    switch entry.stage {
    case .ended, .withdrawn: return .over
    case .waiting:
      entries[id]?.stage = .withdrawn
      return .withdraw(entry.ticket)
    case .arriving, .starting, .running:
      entries[id]?.isCancelled = true
      return .inHand
    }
  }

  private mutating func remember(_ id: String) {
    guard !cancelledAhead.contains(id) else { return }
    if cancelledAhead.count == Self.cancellationsKept { cancelledAhead.removeFirst() }
    cancelledAhead.append(id)
  }

  // MARK: Reporting

  private mutating func tell(_ stage: CommandProgress.Stage, _ ticket: Ticket, _ now: Timestamp) {
    reports.append(.progress(CommandProgress(commandID: ticket.id, agentID: ticket.agentID, stage: stage, at: now, sentAt: now)))
  }

  /// The first report was delivered, or cannot be.
  mutating func reported(_ report: Report) { if reports.first == report { reports.removeFirst() } }

  /// The broker has a command's result: what is left of it is its record.
  mutating func close(_ id: String, _ record: DoneRecord) {
    entries[id] = nil
    done.add(id, record)
  }

  // MARK: Course

  /// The agent is registered.
  mutating func open() { if course == .closed { course = .open } }

  /// The agent stops.
  mutating func stop() { if course != .ending { course = .stopping } }

  /// Time is up for what runs.
  mutating func end() { course = .ending }
}

extension CommandLedger.Entry {
  fileprivate var takesPlace: Bool { stage == .starting || stage == .running }
}
