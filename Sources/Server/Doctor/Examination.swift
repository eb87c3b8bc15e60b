import AMQP
import Diagnosis
import FleetProtocol
import MySQL
import ServiceRuntime

/// One run of the doctor: the report so far, and what the checks that come later need of those before them.
///
/// The checks are in the files beside this one, a theme each.
struct Examination {
  let doctor: Doctor
  var report: DiagnosisReport
  /// What the variables say, with the defaults where one of them is bad.
  var settings: ServerConfiguration?
  /// The database; `nil` when it is not to be had, for the reason beside it.
  var pool: Pool?
  var databaseTrouble = "the database's variables cannot be used"
  /// Whether the tables are those of this program.
  var isSchemaCurrent = false
  /// How far the database's clock is ahead of this machine's.
  var clockOffset = Duration.zero
  /// The broker, by the server's login; `nil` when it is not to be had, for the reason beside it.
  var broker: AMQP.Connection?
  var brokerTrouble = "the broker's variables cannot be used"
  var facts: BrokerFacts?
  /// Why there are no facts.
  var factsTrouble = "there is no broker to ask"
  let loop = EventLoop(name: "doctor")

  init(_ doctor: Doctor, tell: @escaping @Sendable (Finding) -> Void) {
    self.doctor = doctor
    report = DiagnosisReport(tell: tell)
  }

  /// Closes what is open.
  func end() async {
    await broker?.close()
    await pool?.close()
    loop.stop()
  }

  /// The time by the database's clock.
  var now: Timestamp { Timestamp.now().advanced(by: clockOffset) }

  /// Looks at something in the database. Errors become findings; what cannot be looked at is told as that.
  mutating func onDatabase(_ check: String, _ body: (MySQL.Connection) async throws -> [Finding]) async throws {
    try Task.checkCancellation()
    guard let pool else { return report.skip(check, because: databaseTrouble) }
    do {
      for finding in try await pool.withConnection(body) { report.add(finding) }
    } catch let error as MySQLError where [1146, 1054].contains(error.code) {
      // No such table, no such column.
      report.skip(check, because: "the tables are not those of this version")
    } catch {
      try Task.checkCancellation()
      report.add(.fail(check, "\(error)", remedy: "mend what it says, and run: spotctl doctor"))
    }
  }

  /// Looks at something on the broker; as `onDatabase`.
  mutating func onBroker(_ check: String, _ body: (AMQP.Connection) async throws -> [Finding]) async throws {
    try Task.checkCancellation()
    guard let broker else { return report.skip(check, because: brokerTrouble) }
    do {
      for finding in try await body(broker) { report.add(finding) }
    } catch {
      try Task.checkCancellation()
      report.add(.fail(check, "\(error)", remedy: remedy(for: error)))
    }
  }

  private func remedy(for error: any Error) -> String {
    let fallback = "look into the broker's log: journalctl -u rabbitmq-server"
    guard let settings else { return fallback }
    return BrokerFailure.remedy(for: error, settings.broker.connection(named: "spotctl doctor")) ?? fallback
  }

  /// A statement as it is typed.
  func mysql(_ sql: String) -> String {
    guard let database = settings?.database.configuration else { return sql }
    return "mysql -h \(database.host) -P \(database.port) -u \(database.user) -p \(database.database) -e \"\(sql)\""
  }
}
