import MySQL
import Server
import ServiceRuntime

/// `spotctl migrate import`.
struct ImportCommand {
  let pool: Pool
  let wakeUp: WakeUp
  let terminal: Terminal
  let environment: Environment

  func run(_ invocation: Invocation) async throws {
    let own = try DatabaseSettings(environment).configuration
    let configuration = try ImportSettings(environment, database: invocation.values["--from-database"], own: own).configuration
    guard configuration.database != own.database || configuration.host != own.host || configuration.port != own.port else {
      throw Failure(
        .usage, "the former system's database cannot be this server's own (\(configuration)); give this server one of its own in DB_NAME")
    }
    var selection = FleetImport.Selection()
    selection.client = invocation.values["--client"]
    selection.logicalAgentID = invocation.values["--agent"]
    selection.isDryRun = invocation.switches.contains("--dry-run")
    let source = Pool(configuration: configuration, size: 1)
    let report: ImportReport
    do {
      try await check(source)
      report = try await FleetImport.run(into: pool, from: source, database: configuration.database, selection)
      await source.close()
    } catch {
      await source.close()
      throw error
    }
    try show(report, selection)
    if !selection.isDryRun, report.count(.command, .imported) > 0 { await wakeUp.send(terminal) }
    guard report.conflictCount == 0 else {
      throw Failure(.failed, "\(report.conflictCount) rows are in conflict with what is here and were left as they are")
    }
  }

  /// Whether the former database lets us in: its variables are others than this server's.
  private func check(_ source: Pool) async throws {
    do {
      try await source.withConnection { try await $0.ping() }
    } catch let error as MySQLError {
      throw Failure(
        .cannotReach,
        "\(error) (check --from-database and the SPOT_OPTIMIZER_IMPORT_DB_… variables; the login needs SELECT on the former system's tables)"
      )
    }
  }

  private func show(_ report: ImportReport, _ selection: FleetImport.Selection) throws {
    for remark in report.remarks { terminal.remark(remark) }
    if selection.isDryRun { terminal.remark("nothing was changed (--dry-run): imported means what would be") }
    // First the sums, which have no id, then what was not imported, row by row.
    var records: [Record] = []
    for kind in ImportReport.Kind.allCases {
      for outcome in ImportReport.Outcome.allCases {
        records.append(record(kind, outcome, count: report.count(kind, outcome), id: nil, name: nil, reason: nil))
      }
    }
    for problem in report.problems {
      records.append(record(problem.kind, problem.outcome, count: 1, id: problem.id, name: problem.name, reason: problem.reason))
    }
    try terminal.show(records, empty: "Nothing to import.")
  }

  private func record(
    _ kind: ImportReport.Kind, _ outcome: ImportReport.Outcome, count: Int, id: String?, name: String?, reason: String?
  ) -> Record {
    var record = Record()
    record.add("kind", .text(kind.rawValue), listed: true)
    record.add("outcome", .text(outcome.rawValue), listed: true)
    record.add("count", .number(count), listed: true)
    record.add("id", Cell(id), listed: true)
    record.add("name", Cell(name), listed: true)
    record.add("reason", Cell(reason), listed: true)
    return record
  }
}
