import FleetProtocol
import ServiceRuntime

/// What is kept of a command whose result the broker has confirmed: enough to answer it again should it come again.
struct DoneRecord: Sendable, Equatable {
  /// How it ended.
  let status: CommandResult.Outcome
  /// The exit code of a program that ended by itself.
  let exitCode: UInt8?
  /// When it was begun.
  let startedAt: Timestamp
  /// When it was done.
  let finishedAt: Timestamp

  init(status: CommandResult.Outcome, exitCode: UInt8?, startedAt: Timestamp, finishedAt: Timestamp) {
    self.status = status
    self.exitCode = exitCode
    self.startedAt = startedAt
    self.finishedAt = finishedAt
  }

  init(_ result: CommandResult) {
    self.init(
      status: result.status, exitCode: result.exitCode.flatMap { UInt8(exactly: $0) }, startedAt: result.startedAt,
      finishedAt: result.finishedAt)
  }

  /// A result that says how the command ended. A server that has the first one takes no notice of it; one that lost it learns the end.
  func result(commandID: String, agentID: String, now: Timestamp) -> CommandResult {
    let reported = "The result was reported before; the agent no longer has its output"
    return CommandResult(
      commandID: commandID, agentID: agentID, status: status, exitCode: exitCode.map(Int.init),
      error: status == .succeeded ? nil : reported,
      startedAt: startedAt, finishedAt: finishedAt, sentAt: now)
  }

  /// One line of the list: id, outcome, exit code, times.
  func line(_ id: String) -> String {
    let code = exitCode.map { "\($0)" } ?? "-"
    return "\(PercentEncoding.encode(id)) \(status.rawValue) \(code) \(startedAt.milliseconds) \(finishedAt.milliseconds)\n"
  }

  /// Reads a line without its end; `nil` when it is none.
  static func parse(_ line: Substring) -> (id: String, record: DoneRecord)? {
    let words = line.split(separator: " ", omittingEmptySubsequences: false)
    guard words.count == 5, let id = PercentEncoding.decode(words[0]), let status = CommandResult.Outcome(rawValue: String(words[1])),
      let startedAt = Int64(words[3]), let finishedAt = Int64(words[4])
    else { return nil }
    let code = UInt8(words[2])
    guard code != nil || words[2] == "-" else { return nil }
    return (
      id,
      DoneRecord(
        status: status, exitCode: code, startedAt: Timestamp(milliseconds: startedAt), finishedAt: Timestamp(milliseconds: finishedAt))
    )
  }
}

/// The commands that are done, newest first: two shelves, of which the older is emptied when the newer is full. So between one and two shelves are
/// remembered, nothing is ever sorted, and on disk they are two files.
struct DoneRecords: Sendable {
  /// Commands on one shelf.
  static let shelf = 5_000
  /// How long they are remembered at most: as long as an agent's queue may wait for it.
  static let lifetime = Duration.seconds(7 * 24 * 3600)

  private var newer: [String: DoneRecord] = [:]
  private var older: [String: DoneRecord] = [:]

  /// Nothing is done yet.
  init() {}

  /// From the two files, as far as they are not too old.
  init(newer: [String: DoneRecord], older: [String: DoneRecord]) {
    self.newer = newer
    self.older = older
  }

  /// How many there are.
  var count: Int { newer.count + older.count }

  /// What is known of a command at `now`.
  func find(_ id: String, now: Timestamp) -> DoneRecord? {
    guard let record = newer[id] ?? older[id], now.since(record.finishedAt) < Self.lifetime else { return nil }
    return record
  }

  /// Remembers one.
  mutating func add(_ id: String, _ record: DoneRecord) {
    if newer.count >= Self.shelf {
      older = newer
      newer = [:]
    }
    newer[id] = record
  }
}
