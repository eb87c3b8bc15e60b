import AMQP
import Diagnosis
import MySQL
import ServiceRuntime

extension Examination {
  /// Reaches the database, and compares its clock and its tables with what they should be.
  mutating func lookAtDatabase() async throws {
    try await reachDatabase()
    try await lookAtClock()
    try await lookAtSchema()
    try await lookAtIndexes()
  }

  /// Connects, and says what stands in the way by its name.
  mutating func reachDatabase() async throws {
    let check = "database"
    guard let settings, databaseTrouble.isEmpty else { return report.skip(check, because: databaseTrouble) }
    var database = settings.database.configuration
    database.connectTimeout = Doctor.connectLimit
    database.readTimeout = .seconds(15)
    databaseTrouble = "the database cannot be reached"
    do throws(AMQPError) {
      _ = try await probeTCP(host: database.host, port: Int(database.port), limit: Doctor.connectLimit)
    } catch {
      let remedy =
        Self.isRefused(error)
        ? "systemctl start mariadb (or mysql), or correct DB_HOST and DB_PORT"
        : "correct DB_HOST and DB_PORT, or open the way: nc -vz \(database.host) \(database.port)"
      return report.add(.fail(check, "\(database): \(error)", remedy: remedy))
    }
    let pool = Pool(configuration: database, size: 2)
    do {
      let started = ContinuousClock.now
      let version = try await pool.withConnection { try await $0.query("SELECT VERSION() AS version").first?.string("version") ?? "?" }
      report.add(.pass(check, "\(database): version \(version), connected in \(started.duration(to: .now).inMilliseconds)"))
      self.pool = pool
    } catch {
      await pool.close()
      try Task.checkCancellation()
      report.add(.fail(check, "\(error)", remedy: Self.remedy(for: error, database)))
    }
  }

  static func isRefused(_ error: AMQPError) -> Bool { error.kind == .connect(errno: 111) }

  private static func remedy(for error: any Error, _ database: DatabaseConfiguration) -> String {
    let (name, user) = (database.database, "'\(database.user)'@'%'")
    switch (error as? MySQLError)?.code {
    // Access denied: for the login, and for the database.
    case 1045: return "correct DB_USER and DB_PASSWORD, or as the database's root: ALTER USER \(user) IDENTIFIED BY '<DB_PASSWORD>'"
    case 1044, 1142: return "as the database's root: GRANT ALL ON \(name).* TO \(user)"
    case 1049: return "correct DB_NAME, or as the database's root: CREATE DATABASE \(name) CHARACTER SET utf8mb4; then: spotctl migrate"
    case 1040: return "raise max_connections of the database, or lower DB_POOL_SIZE of the servers"
    case 2003, 2013: return "see what the database does: journalctl -u mariadb (or mysql)"
    default: return "correct what it says in DB_HOST, DB_PORT, DB_USER, DB_PASSWORD, DB_NAME or DB_SSL_CA"
    }
  }

  private mutating func lookAtClock() async throws {
    let check = "clock"
    var offset = Duration.zero
    try await onDatabase(check) { connection in
      // Once for nothing, so that preparing is not in the measured time.
      _ = try await connection.query("SELECT NOW(3) AS now")
      let before = Timestamp.now()
      guard let theirs = try await connection.query("SELECT NOW(3) AS now").first?.timestamp("now") else { return [] }
      let after = Timestamp.now()
      offset = .milliseconds(theirs.milliseconds - (before.milliseconds + after.milliseconds) / 2)
      let measured = "the database's is \(abs(offset.milliseconds)) ms \(offset < .zero ? "behind" : "ahead of") this machine's"
      guard abs(offset.milliseconds) > FleetClock.warningThreshold.milliseconds else { return [.pass(check, measured)] }
      return [.warn(check, measured, remedy: "timedatectl set-ntp true, on both machines")]
    }
    clockOffset = offset
  }

  private mutating func lookAtSchema() async throws {
    let check = "schema"
    guard let pool else { return report.skip(check, because: databaseTrouble) }
    let newest = Schema.migrations.last?.version ?? 0
    do {
      switch try await Migrator(pool).state(Schema.migrations) {
      case .current:
        isSchemaCurrent = true
        report.add(.pass(check, "version \(newest), that of this program"))
      case .behind(let versions):
        let list = versions.map(String.init).joined(separator: ", ")
        report.add(.fail(check, "this program needs version \(newest); not applied or not finished: \(list)", remedy: "spotctl migrate"))
      case .ahead(let version, let known):
        report.add(
          .fail(
            check, "the database has version \(version), this program knows \(known) only",
            remedy: "install the newer server and spotctl here: apt install --only-upgrade spot-optimizer-server"))
      case .changed(let version, _):
        report.add(
          .fail(
            check, "version \(version) was applied with other statements than this program has",
            remedy: "install the release that made the tables, or restore the database from before its migration"))
      case .skipped(let version, let applied):
        report.add(
          .fail(check, "version \(version) was never applied, but \(applied) was", remedy: "install the release that made the tables"))
      }
    } catch {
      try Task.checkCancellation()
      report.add(.fail(check, "\(error)", remedy: "mend what it says, and run: spotctl doctor"))
    }
  }

  private mutating func lookAtIndexes() async throws {
    let check = "indexes"
    guard pool == nil || isSchemaCurrent else { return report.skip(check, because: "the tables are not those of this version") }
    try await onDatabase(check) { [self] connection in
      let expected = SchemaIndexes(Schema.migrations).all
      let existing = try await SchemaIndexes.existing(on: connection)
      let missing = expected.filter { !existing.contains($0) }
      guard !missing.isEmpty else { return [.pass(check, "all \(expected.count) that the tables need are there")] }
      return missing.map { index in
        let other = existing.first { $0.table == index.table && $0.name == index.name }
        let measured = "\(index.table).\(index.name) " + (other.map { "is over (\($0.columns.joined(separator: ", ")))" } ?? "is not there")
        let removal = other.map { "ALTER TABLE \($0.table) DROP KEY \($0.name); " } ?? ""
        return .fail(check, measured, remedy: mysql(removal + index.statement))
      }
    }
  }
}
