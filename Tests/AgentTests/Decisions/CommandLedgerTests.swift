import FleetProtocol
import ServiceRuntime
import Testing

@testable import Agent

@Suite struct CommandLedgerTests {
  private let now = Timestamp(seconds: 1_800_000_000)

  private func command(_ id: String, priority: Int = CommandPriority.normal) -> Command {
    Command(id: id, agentID: "agent-1", commandType: "work", priority: priority, createdAt: now)
  }

  private func ledger(places: Int = 1, room: Int = 10) -> CommandLedger {
    var ledger = CommandLedger(places: places, room: room)
    ledger.open()
    return ledger
  }

  /// Takes a command and has it kept.
  private func take(_ id: String, priority: Int = CommandPriority.normal, _ ledger: inout CommandLedger) {
    guard case .new = ledger.arrive(command(id, priority: priority), inMemory: false, now: now) else {
      return #expect(Bool(false), "\(id) is not new")
    }
    _ = ledger.accepted(id, at: now)
  }

  private func stages(_ ledger: CommandLedger) -> [String] {
    ledger.reports.map { report in
      switch report {
      case .progress(let progress): "\(progress.commandID) \(progress.stage.rawValue)"
      case .result(let id): "\(id) result"
      }
    }
  }

  @Test func theMostUrgentGoesFirstAndOfThoseTheOldest() {
    var ledger = ledger()
    for (id, priority) in [("a", 25), ("b", 100), ("c", 25), ("d", 100), ("e", 10)] { take(id, priority: priority, &ledger) }
    var order: [String] = []
    while let ticket = ledger.beginNext() {
      order.append(ticket.id)
      ledger.started(ticket.id, at: now)
      ledger.ended(ticket.id, result: nil)
    }
    #expect(order == ["b", "d", "a", "c", "e"])
  }

  @Test func noMoreRunAtOnceThanThereArePlaces() {
    var ledger = ledger(places: 2)
    for id in ["a", "b", "c"] { take(id, &ledger) }
    let first = ledger.beginNext()
    let second = ledger.beginNext()
    #expect(first?.id == "a" && second?.id == "b" && ledger.next == nil && ledger.busy == 2)
    ledger.started("a", at: now)
    #expect(ledger.next == nil)
    ledger.ended("a", result: nil)
    #expect(ledger.next?.id == "c")
  }

  @Test func oneThatIsBeingWrittenIsNotOvertakenByALesserOne() {
    var ledger = ledger()
    let arrival = ledger.arrive(command("urgent", priority: 100), inMemory: false, now: now)
    take("usual", &ledger)
    #expect(arrival != .full && ledger.next == nil)
    ledger.dropped("urgent")
    #expect(ledger.next?.id == "usual")
  }

  @Test func itIsReportedAsDeliveredOnlyWhenItHasToWait() {
    var ledger = ledger()
    take("a", &ledger)
    #expect(stages(ledger) == [])
    _ = ledger.beginNext()
    take("b", &ledger)
    ledger.started("a", at: now)
    ledger.ended("a", result: nil)
    #expect(stages(ledger) == ["b delivered", "a running", "a result"])
  }

  @Test func nothingBeginsBeforeTheAgentIsRegisteredNorWhenItStops() {
    var ledger = CommandLedger(places: 4, room: 10)
    ledger.resume(CommandLedger.Ticket(command("old"), number: 7))
    #expect(ledger.next == nil)
    ledger.open()
    #expect(ledger.next?.id == "old")
    ledger.stop()
    #expect(ledger.next == nil && !ledger.shouldEnd("old"))
    ledger.open()
    #expect(ledger.next == nil, "a late registration does not undo a stop")
    ledger.end()
    #expect(ledger.shouldEnd("old"))
  }

  @Test func whatIsNewComesAfterWhatTheFormerProcessLeft() {
    var ledger = ledger()
    ledger.resume(CommandLedger.Ticket(command("old"), number: 7))
    guard case .new(let ticket) = ledger.arrive(command("new"), inMemory: false, now: now) else { return #expect(Bool(false)) }
    #expect(ticket.number == 8)
  }

  @Test func aCommandIsTakenOnceHoweverOftenItComes() {
    var ledger = ledger()
    func again() -> CommandLedger.Arrival { ledger.arrive(command("a"), inMemory: false, now: now) }
    guard case .new = again() else { return #expect(Bool(false)) }
    #expect(again() == .known(.arriving))
    _ = ledger.accepted("a", at: now)
    #expect(again() == .known(.waiting))
    _ = ledger.beginNext()
    #expect(again() == .known(.starting))
    ledger.started("a", at: now)
    #expect(again() == .known(.running))
    ledger.ended("a", result: nil)
    #expect(again() == .known(.ended))
    let record = DoneRecord(status: .failed, exitCode: 3, startedAt: now, finishedAt: now)
    ledger.close("a", record)
    #expect(again() == .done(record) && ledger.knows("a", now: now))
    let later = now.advanced(by: DoneRecords.lifetime)
    #expect(!ledger.knows("a", now: later), "after seven days nothing can bring it back")
  }

  @Test func aCommandThatCouldNotBeKeptIsNewWhenItComesAgain() {
    var ledger = ledger()
    _ = ledger.arrive(command("a"), inMemory: false, now: now)
    ledger.dropped("a")
    guard case .new = ledger.arrive(command("a"), inMemory: false, now: now) else { return #expect(Bool(false)) }
  }

  @Test func thereIsNoRoomForMoreThanWasAgreedWhateverTheyWaitFor() {
    var ledger = ledger(places: 1, room: 2)
    take("a", &ledger)
    _ = ledger.beginNext()
    take("b", &ledger)
    let third = command("c")
    #expect(ledger.arrive(third, inMemory: false, now: now) == .full)
    ledger.started("a", at: now)
    ledger.ended("a", result: nil)
    #expect(ledger.arrive(third, inMemory: false, now: now) == .full, "a result that is not reported takes room too")
    ledger.close("a", DoneRecord(status: .succeeded, exitCode: 0, startedAt: now, finishedAt: now))
    guard case .new = ledger.arrive(third, inMemory: false, now: now) else { return #expect(Bool(false)) }
  }

  @Test func aWaitingCommandThatIsCalledOffNeverBegins() {
    var ledger = ledger()
    take("a", &ledger)
    guard case .withdraw(let ticket) = ledger.cancel("a", now: now) else { return #expect(Bool(false)) }
    #expect(ticket.id == "a" && ledger.next == nil && ledger.isUnderWay("a"))
    #expect(ledger.cancel("a", now: now) == .over)
    ledger.ended("a", result: nil)
    #expect(!ledger.isUnderWay("a") && stages(ledger) == ["a result"])
  }

  @Test func aRunningCommandThatIsCalledOffIsItsRunnersToEnd() {
    var ledger = ledger(places: 2)
    take("a", &ledger)
    take("b", &ledger)
    _ = ledger.beginNext()
    #expect(ledger.cancel("a", now: now) == .inHand)
    #expect(ledger.shouldEnd("a") && !ledger.shouldEnd("b"))
    ledger.ended("a", result: nil)
    #expect(ledger.cancel("a", now: now) == .over)
  }

  @Test func oneThatIsCalledOffWhileItIsBeingWrittenIsWithdrawnAfterwards() {
    var ledger = ledger()
    _ = ledger.arrive(command("a"), inMemory: false, now: now)
    #expect(ledger.cancel("a", now: now) == .inHand)
    let isWanted = ledger.accepted("a", at: now)
    #expect(!isWanted && ledger.next == nil && stages(ledger) == [])
  }

  @Test func aCancellationThatOvertakesItsCommandIsRemembered() {
    var ledger = ledger()
    #expect(ledger.cancel("a", now: now) == .remembered)
    #expect(ledger.knows("a", now: now))
    #expect(ledger.arrive(command("a"), inMemory: false, now: now) == .calledOff)
    // Also when the disk kept it from being taken in between.
    _ = ledger.arrive(command("b"), inMemory: false, now: now)
    #expect(ledger.cancel("b", now: now) == .inHand)
    ledger.dropped("b")
    #expect(ledger.arrive(command("b"), inMemory: false, now: now) == .calledOff)
  }

  @Test func onlySoManyCancellationsAreRemembered() {
    var ledger = ledger()
    for number in 0...CommandLedger.cancellationsKept { #expect(ledger.cancel("\(number)", now: now) == .remembered) }
    #expect(!ledger.knows("0", now: now) && ledger.knows("1", now: now))
  }

  @Test func aCancellationOfWhatIsDoneChangesNothing() {
    var ledger = ledger()
    take("a", &ledger)
    _ = ledger.beginNext()
    ledger.ended("a", result: nil)
    ledger.close("a", DoneRecord(status: .succeeded, exitCode: 0, startedAt: now, finishedAt: now))
    #expect(ledger.cancel("a", now: now) == .over)
  }

  @Test func reportsAreTakenOffInTheirOrder() {
    var ledger = ledger()
    take("a", &ledger)
    _ = ledger.beginNext()
    ledger.started("a", at: now)
    ledger.ended("a", result: nil)
    ledger.reported(.result("a"))
    #expect(stages(ledger) == ["a running", "a result"], "not the first")
    if let first = ledger.reports.first { ledger.reported(first) }
    #expect(stages(ledger) == ["a result"])
  }
}
