import FleetProtocol
import Foundation
import ServiceRuntime
import Testing

@testable import Agent

@Suite struct JournalTests {
  private let now = Timestamp(seconds: 1_800_000_000)
  private let owner = JournalFolder.Owner(serverURL: "http://server:5000", clientID: "c1", logicalAgentID: "a.1/ä")

  private func command(_ id: String = "c-1") -> Command {
    Command(
      id: id, agentID: "agent-1", commandType: "work", parameters: ["text": "a\nb", "n": 3], priority: 75, createdAt: now, expiresAt: now,
      timeoutSeconds: 9, streamsOutput: true)
  }

  private func result(_ id: String = "c-1", _ status: CommandResult.Outcome = .succeeded) -> CommandResult {
    CommandResult(
      commandID: id, agentID: "agent-1", status: status, exitCode: 7, standardOutput: "out\n", standardOutputBytes: 4, startedAt: now,
      finishedAt: now, sentAt: now)
  }

  private func state() throws -> StateFolder { try StateFolder(path: temporaryFolder()) }

  private func open(_ state: StateFolder) throws -> (journal: Journal, contents: Journal.Contents) {
    try Journal.open(JournalFolder(of: owner, in: state), now: now)
  }

  private func files(_ state: StateFolder) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: "\(state.path)/\(owner.name)").sorted()
  }

  @Test func entriesComeBackAsTheyWereInTheOrderOfTheirAcceptance() throws {
    let state = try state()
    let entries = [
      JournalEntry(number: 3, .accepted(command("third"))), JournalEntry(number: 1, starts: 2, .started(command("../first"), at: now)),
      JournalEntry(number: 2, .ended(result("second"))),
    ]
    do {
      let (journal, contents) = try open(state)
      #expect(contents.entries.isEmpty && contents.problems == [])
      for entry in entries { try journal.write(entry) }
      #expect(try journal.read("second") == entries[2])
    }
    let contents = try open(state).contents
    #expect(contents.entries == [entries[1], entries[2], entries[0]] && contents.problems == [])
    #expect(try files(state) == ["%2E%2E%2Ffirst.command", "lock", "second.command", "third.command"])
  }

  @Test func everyFileIsTheOwnersAlone() throws {
    let state = try state()
    let (journal, _) = try open(state)
    try journal.write(JournalEntry(number: 1, .accepted(command())))
    try journal.close("x", DoneRecord(result("x")), holdsResult: true)
    for name in try files(state) {
      let attributes = try FileManager.default.attributesOfItem(atPath: "\(state.path)/\(owner.name)/\(name)")
      #expect(attributes[.posixPermissions] as? Int == 0o600, "\(name)")
    }
    let folder = try FileManager.default.attributesOfItem(atPath: "\(state.path)/\(owner.name)")
    #expect(folder[.posixPermissions] as? Int == 0o700)
  }

  @Test func anEntryWhereverItIsDamagedIsToldAndSetAside() throws {
    let entry = try JournalEntry(number: 1, .accepted(command())).encoded()
    for position in stride(from: 0, to: entry.count, by: 7) {
      var damaged = entry
      damaged[position] ^= 0x15
      #expect(throws: JournalDamage.self) { try JournalEntry(damaged) }
      #expect(throws: JournalDamage.self) { try JournalEntry(Array(entry[..<position])) }
    }
    let state = try state()
    do {
      let (journal, _) = try open(state)
      try journal.write(JournalEntry(number: 1, .accepted(command("good"))))
      try journal.write(JournalEntry(number: 2, .accepted(command("bad"))))
    }
    let path = "\(state.path)/\(owner.name)/bad.command"
    try Data(entry.dropLast()).write(to: URL(fileURLWithPath: path))
    try Data(entry).write(to: URL(fileURLWithPath: "\(state.path)/\(owner.name)/other.command"))
    let contents = try open(state).contents
    #expect(contents.entries.map(\.id) == ["good"])
    #expect(contents.problems.count == 2)
    let told = try #require(contents.problems.first { $0.contains("bad.command") })
    #expect(told.contains(path) && told.contains("its checksum does not match") && told.contains("send it anew"))
    #expect(contents.problems.contains { $0.contains("other.command") && $0.contains("it holds the command c-1") })
    #expect(try files(state) == ["bad.command.damaged", "good.command", "lock", "other.command.damaged"])
    #expect(try open(state).contents.problems == [], "told once")
  }

  @Test func whatWasHalfWrittenWhenAProcessWasKilledIsRemoved() throws {
    let state = try state()
    do { _ = try open(state) }
    try Data("half".utf8).write(to: URL(fileURLWithPath: "\(state.path)/\(owner.name)/c-1.command.4711.new"))
    let contents = try open(state).contents
    #expect(contents.entries.isEmpty && contents.problems == [])
    #expect(try files(state) == ["lock"])
  }

  @Test func aClosedEntryIsARecordThatAnswersARepetition() throws {
    let state = try state()
    do {
      let (journal, _) = try open(state)
      try journal.write(JournalEntry(number: 1, .ended(result("c-1", .failed))))
      try journal.close("c-1", DoneRecord(result("c-1", .failed)), holdsResult: true)
    }
    let contents = try open(state).contents
    #expect(contents.entries.isEmpty)
    let record = try #require(contents.done.find("c-1", now: now))
    let again = record.result(commandID: "c-1", agentID: "agent-1", now: now)
    #expect(again.status == .failed && again.exitCode == 7 && again.startedAt == now && again.error?.contains("reported before") == true)
    #expect(contents.done.find("c-2", now: now) == nil)
  }

  @Test func theListOfWhatIsDoneSurvivesABrokenLineAndForgetsWhatIsOld() throws {
    let state = try state()
    do { _ = try open(state) }
    let old = DoneRecord(status: .succeeded, exitCode: nil, startedAt: now, finishedAt: now.advanced(by: .zero - DoneRecords.lifetime))
    let fresh = DoneRecord(result())
    let text = old.line("old") + "rubbish\n" + fresh.line("fresh") + "cut of"
    try Data(text.utf8).write(to: URL(fileURLWithPath: "\(state.path)/\(owner.name)/done"))
    do {
      let (journal, contents) = try open(state)
      #expect(contents.done.find("fresh", now: now) == fresh && contents.done.count == 1)
      #expect(contents.problems.count == 1 && contents.problems[0].hasPrefix("2 lines of "))
      try journal.close("next", fresh, holdsResult: true)
    }
    #expect(try open(state).contents.done.find("next", now: now) == fresh)
  }

  @Test func theListOfWhatIsDoneIsBoundedInMemoryAndOnDisk() throws {
    var records = DoneRecords()
    let record = DoneRecord(result())
    for number in 0..<(3 * DoneRecords.shelf) { records.add("\(number)", record) }
    #expect(records.count == 2 * DoneRecords.shelf)
    #expect(records.find("\(DoneRecords.shelf - 1)", now: now) == nil && records.find("\(DoneRecords.shelf)", now: now) != nil)

    let state = try state()
    do { _ = try open(state) }
    let full = (0..<DoneRecords.shelf).map { record.line("\($0)") }.joined()
    try Data(full.utf8).write(to: URL(fileURLWithPath: "\(state.path)/\(owner.name)/done"))
    do {
      let (journal, _) = try open(state)
      try journal.close("next", record, holdsResult: true)
    }
    #expect(try files(state) == ["done", "done.before", "lock"])
    let done = try open(state).contents.done
    #expect(done.count == DoneRecords.shelf + 1 && done.find("next", now: now) != nil && done.find("0", now: now) != nil)
  }

  @Test func aJournalIsHeldAgainstASecondProcessAndBelongsToOneAgent() throws {
    let state = try state()
    let first = try open(state)
    let error = try #require(throws: JournalProblem.self) { try open(state) }
    #expect("\(error)".contains(first.journal.path) && "\(error)".contains("LOGICAL_AGENT_ID"))
    let other = JournalFolder.Owner(serverURL: owner.serverURL, clientID: owner.clientID, logicalAgentID: "a.2")
    let second = try Journal.open(JournalFolder(of: other, in: state), now: now)
    #expect(second.journal.path != first.journal.path)
  }

  @Test func aFullDiskIsAnErrorThatNamesTheFile() throws {
    let state = try state()
    let (journal, _) = try open(state)
    try journal.write(JournalEntry(number: 1, .accepted(command())))
    // A folder in the way of the new file: for root the mode of a folder is no obstacle.
    let path = "\(state.path)/\(owner.name)/c-2.command"
    try FileManager.default.createDirectory(atPath: "\(path)/x", withIntermediateDirectories: true)
    let error = try #require(throws: FileError.self) { try journal.write(JournalEntry(number: 2, .accepted(command("c-2")))) }
    #expect("\(error)".contains(path))
    #expect(try files(state) == ["c-1.command", "c-2.command", "lock"], "nothing half written is left")
  }

  // MARK: What a new process makes of an entry

  private func recovered(_ entry: JournalEntry, isRepeatable: Bool = false) -> JournalRecovery {
    JournalRecovery(entry, now: now.advanced(by: .seconds(60))) { _ in isRepeatable }
  }

  @Test func whatWaitedWaitsAndWhatHasEndedIsReported() {
    #expect(recovered(JournalEntry(number: 1, .accepted(command()))) == .wait(command()))
    #expect(recovered(JournalEntry(number: 1, .ended(result()))) == .report(result()))
  }

  @Test func whatRanHasFailedUnlessItDeclaresItselfRepeatable() throws {
    let entry = JournalEntry(number: 1, .started(command(), at: now))
    guard case .fail(let result) = recovered(entry) else { return #expect(Bool(false)) }
    #expect(result.status == .failed && result.startedAt == now && result.error?.contains("The agent ended while the command ran") == true)
    let again = JournalEntry(number: 1, starts: 1, .accepted(command()))
    #expect(recovered(entry, isRepeatable: true) == .runAgain(again, command()))
  }

  @Test func aRepeatableCommandThatEndsTheAgentEachTimeIsGivenUp() {
    let entry = JournalEntry(number: 1, starts: JournalRecovery.mostStarts - 1, .started(command(), at: now))
    guard case .fail(let result) = recovered(entry, isRepeatable: true) else { return #expect(Bool(false)) }
    #expect(result.error?.contains("as in the 2 starts before") == true)
  }
}
