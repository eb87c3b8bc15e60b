import FleetProtocol
import MySQL
import ServiceRuntime

/// A report and the agent that signed it.
public struct SignedReport: Sendable {
  /// What it says.
  public let report: CommandReport
  /// Who says it: the command must be that agent's.
  public let address: AgentAddress

  /// A report of the agent at `address`.
  public init(_ report: CommandReport, from address: AgentAddress) {
    self.report = report
    self.address = address
  }
}

/// What became of a report.
public enum ReportOutcome: Sendable, Equatable {
  /// It is stored.
  case accepted
  /// The command was further already; this one changed nothing.
  case duplicate
  /// The agent did not believe a message; why is stored.
  case refused(String)
  /// This agent was given no such command.
  case unknown
  /// It cannot be stored, and why.
  case unusable(String)
}

// What agents say of their commands.
extension CommandStore {
  /// Applies reports in their order, all in one transaction with their events; returns, in the same order, what became of each. Any number of servers
  /// may do so at once. After it the caller raises `WorkSignals` (events and rollouts).
  ///
  /// Throws `MySQLError`: then none is stored.
  public func apply(_ reports: [SignedReport]) async throws -> [ReportOutcome] {
    var outcomes = [ReportOutcome](repeating: .unknown, count: reports.count)
    var outputs: [Int: Value] = [:]
    for (index, report) in reports.enumerated() {
      guard case .result(let result) = report.report, let output = result.output else { continue }
      do throws(MessageError) {
        outputs[index] = .text(String(decoding: try WireCoding.encodeJSON(output), as: UTF8.self))
      } catch {
        // Longer when it is written our way (`1e9` becomes ten digits) than a message may be.
        outcomes[index] = .unusable("\(error)")
      }
    }
    let (given, encoded) = (outcomes, outputs)
    return try await pool.transaction { connection in
      try await Self.apply(reports, encoded, given, on: connection)
    }
  }

  /// Stores a command's result, once; see `apply`.
  public func finish(_ result: CommandResult, from address: AgentAddress) async throws -> ReportOutcome {
    try await apply([SignedReport(.result(result), from: address)])[0]
  }

  private static func apply(
    _ reports: [SignedReport], _ outputs: [Int: Value], _ given: [ReportOutcome], on connection: Connection
  ) async throws -> [ReportOutcome] {
    var outcomes = given
    let usable = reports.indices.filter { outcomes[$0] == .unknown }
    let owned = try await ownedKeys(usable.map { reports[$0] }, on: connection)
    let locked = try await lock(owned.values, on: connection)
    let now = try await time(on: connection)
    var records = Dictionary(uniqueKeysWithValues: locked.rows.map { ($0.seq, CommandRecord($0, now: now)) })
    let problems = Dictionary(locked.problems.map { ($0.id, "\($0)") }) { first, _ in first }
    var results: [Int64: Value] = [:]
    for index in usable {
      let report = reports[index]
      guard let seq = owned[Ownership(report)] else { continue }
      guard var record = records[seq] else {
        // Gone since we looked for it, or not to be read.
        outcomes[index] = problems[report.report.commandID].map { .unusable($0) } ?? .unknown
        continue
      }
      outcomes[index] = record.take(report.report)
      if case .result = report.report, outcomes[index] == .accepted { results[seq] = outputs[index] ?? .null }
      records[seq] = record
    }
    let ordered = records.values.sorted { $0.row.seq < $1.row.seq }
    try await write(ordered.filter(\.isChanged), results, on: connection)
    let news = ordered.filter { !$0.events.isEmpty }
    let owners = try await owners(of: news.map(\.row.agentID), on: connection)
    let events = news.flatMap { record in
      record.events.map { event in
        FleetEvent.command(
          record.row, event.word, owner: owners[record.row.agentID], corrects: event.corrects, error: event.error, exitCode: event.exitCode)
      }
    }
    try await FleetEvent.append(events, on: connection)
    return outcomes
  }

  /// Which command of which agent a report is about.
  private struct Ownership: Hashable {
    let commandID: String
    let agentID: String
    let clientID: String
    let logicalAgentID: String

    init(_ report: SignedReport) {
      commandID = report.report.commandID
      agentID = report.report.agentID
      clientID = report.address.clientID
      logicalAgentID = report.address.logicalAgentID
    }

    init(_ row: Row) throws {
      commandID = try row.string("id")
      agentID = try row.string("agent_id")
      clientID = try row.string("client_id")
      logicalAgentID = try row.string("logical_agent_id")
    }
  }

  /// The keys of the commands that these reports are about and that are their agents' own. Compared here byte for byte: the collation pads.
  private static func ownedKeys(_ reports: [SignedReport], on connection: Connection) async throws -> [Ownership: Int64] {
    guard !reports.isEmpty else { return [:] }
    var sql: SQLText = """
      SELECT c.seq, c.id, c.agent_id, a.client_id, a.logical_agent_id FROM commands c JOIN agents a ON a.id = c.agent_id WHERE c.id IN (
      """
    sql.append(list: Set(reports.map(\.report.commandID)).sorted().map { .text($0) })
    sql.append(sql: ")")
    let asked = Set(reports.map(Ownership.init))
    var keys: [Ownership: Int64] = [:]
    for row in try await connection.queryText(sql) {
      let ownership = try Ownership(row)
      if asked.contains(ownership) { keys[ownership] = Int64(try row.int("seq")) }
    }
    return keys
  }

  private static func time(on connection: Connection) async throws -> Timestamp {
    guard let row = try await connection.query("SELECT NOW(3) AS now").first else { return .now() }
    return try row.timestamp("now")
  }
}
