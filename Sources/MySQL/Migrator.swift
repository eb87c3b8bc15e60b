import ServiceRuntime

/// Brings the schema of a database up to the program's, once, however many programs start at the same time.
///
/// MySQL commits before and after every DDL statement, so a migration cannot be a transaction. Instead progress is recorded after each
/// statement in `schema_migrations`: `statements_done` of them ran, and `checksum` is that of these statements. A migration that died in the middle
/// has no `applied_at`; the next start goes on with the statement that was not recorded, which may have run (the program died between running and
/// recording it), so statements must be harmless when run twice. A statement not yet recorded may be corrected, a recorded one not.
///
/// Works on a connection of its own, not the pool's: a change of a large table takes longer than a read time-out fit for serving.
public struct Migrator: Sendable {
  private let configuration: DatabaseConfiguration
  private let lockTimeout: Duration

  /// One statement may take this long.
  private static let statementTimeout: Duration = .seconds(24 * 3600)
  /// A change of a table waits this long for the transactions that use it; while it waits, new ones queue behind it.
  private static let tableLockTimeout: Duration = .seconds(60)
  /// How long one wait for the lock blocks, so that cancellation is heeded in between.
  private static let lockSlice = 2

  /// A migrator of the pool's database; it waits for another one at work for up to `lockTimeout`.
  public init(_ pool: Pool, lockTimeout: Duration = .seconds(600)) {
    var configuration = pool.configuration
    configuration.readTimeout = Self.statementTimeout
    configuration.lockWaitTimeout = max(configuration.lockWaitTimeout, Self.tableLockTimeout)
    self.configuration = configuration
    self.lockTimeout = lockTimeout
  }

  /// Applies what is missing, in order, and returns the versions it applied or finished: none when there was nothing to do, or another did it.
  ///
  /// Throws `MigrationError`, or `MySQLError` when the database is away.
  public func migrate(_ migrations: [Migration]) async throws -> [Int] {
    try Self.checkOrder(migrations)
    return try await withConnection { connection in
      try await lock(connection)
      try await connection.executeText(Self.createTable)
      // The lock ends with the connection.
      switch try await Self.compare(migrations, on: connection) {
      case .current: return []
      case .ahead(let version, let newestKnown): throw MigrationError.ahead(version: version, newestKnown: newestKnown)
      case .changed(let version, _):
        throw MigrationError.changed(version: version, name: migrations.first { $0.version == version }?.name ?? "")
      case .skipped(let version, let applied): throw MigrationError.skipped(version: version, applied: applied)
      case .behind(let versions):
        for migration in migrations where versions.contains(migration.version) { try await Self.apply(migration, on: connection) }
        return versions
      }
    }
  }

  /// Compares without changing anything and without the lock.
  public func state(_ migrations: [Migration]) async throws -> SchemaState {
    try Self.checkOrder(migrations)
    return try await withConnection { connection in
      let table = try await connection.queryText(
        "SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = 'schema_migrations'")
      guard !table.isEmpty else { return migrations.isEmpty ? .current : .behind(migrations.map(\.version)) }
      return try await Self.compare(migrations, on: connection)
    }
  }

  private static let createTable: SQLText = """
    CREATE TABLE IF NOT EXISTS schema_migrations (
      version INT NOT NULL PRIMARY KEY,
      name VARCHAR(255) NOT NULL,
      checksum CHAR(64) NOT NULL,
      statements_done INT NOT NULL,
      applied_at TIMESTAMP(3) NULL
    ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4
    """

  private func withConnection<Result: Sendable>(_ body: (Connection) async throws -> Result) async throws -> Result {
    let connection = try await Connection.open(configuration)
    do {
      let result = try await body(connection)
      await connection.close()
      return result
    } catch {
      await connection.close()
      throw error
    }
  }

  /// Locks by name are the whole server's, so the database is part of it; hashed, because names may have 64 characters only.
  private func lock(_ connection: Connection) async throws {
    let deadline = ContinuousClock.now + lockTimeout
    repeat {
      try Task.checkCancellation()
      let answer = try await connection.query(
        "SELECT GET_LOCK(CONCAT('migrate.', LEFT(SHA2(DATABASE(), 256), 40)), ?) AS locked",
        [.int(Int64(min(Self.lockSlice, Int(lockTimeout.wholeSeconds))))])
      if try answer.first?.optionalBool("locked") == true { return }
    } while ContinuousClock.now < deadline
    throw MigrationError.locked(lockTimeout)
  }

  private static func checkOrder(_ migrations: [Migration]) throws(MigrationError) {
    var previous = 0
    for migration in migrations {
      guard migration.version > previous else { throw .misordered(version: migration.version) }
      previous = migration.version
    }
  }

  /// What is recorded of one migration.
  private struct Record {
    let version: Int
    let checksum: String
    let statementsDone: Int
    let isFinished: Bool
  }

  private static func records(on connection: Connection) async throws -> [Record] {
    let rows = try await connection.queryText(
      "SELECT version, checksum, statements_done, applied_at FROM schema_migrations ORDER BY version")
    return try rows.map { row in
      Record(
        version: try row.int("version"), checksum: try row.string("checksum"), statementsDone: try row.int("statements_done"),
        isFinished: try row.optionalTimestamp("applied_at") != nil)
    }
  }

  private static func compare(_ migrations: [Migration], on connection: Connection) async throws -> SchemaState {
    let records = Dictionary(uniqueKeysWithValues: try await records(on: connection).map { ($0.version, $0) })
    let known = Set(migrations.map(\.version))
    if let unknown = records.keys.filter({ !known.contains($0) }).max() {
      return .ahead(version: unknown, newestKnown: migrations.last?.version ?? 0)
    }
    let newestApplied = records.keys.max() ?? 0
    var pending: [Int] = []
    for migration in migrations {
      guard let record = records[migration.version] else {
        if migration.version < newestApplied { return .skipped(version: migration.version, applied: newestApplied) }
        pending.append(migration.version)
        continue
      }
      // A finished one must have exactly the recorded statements, an unfinished one must begin with them.
      let isComparable =
        record.isFinished ? record.statementsDone == migration.statements.count : record.statementsDone <= migration.statements.count
      let done = migration.statements.prefix(record.statementsDone)
      guard isComparable, try await checksum(done, on: connection) == record.checksum else {
        return .changed(version: migration.version, checksum: record.checksum)
      }
      if !record.isFinished { pending.append(migration.version) }
    }
    return pending.isEmpty ? .current : .behind(pending)
  }

  private static func apply(_ migration: Migration, on connection: Connection) async throws {
    let done = try await records(on: connection).first { $0.version == migration.version }?.statementsDone
    if done == nil {
      try await connection.execute(
        "INSERT INTO schema_migrations (version, name, checksum, statements_done) VALUES (?, ?, ?, 0)",
        [.int(Int64(migration.version)), .text(migration.name), .text(try await checksum([], on: connection))])
    }
    for (index, statement) in migration.statements.enumerated().dropFirst(done ?? 0) {
      do throws(MySQLError) {
        try await connection.executeText(SQLText(sql: statement))
      } catch  where index == done && error.saysThatItIsDone {
        // The program before died between running it and recording it: ALTER TABLE knows no IF NOT EXISTS in MySQL, and does all or nothing.
      } catch {
        throw MigrationError.failed(version: migration.version, name: migration.name, statement: index + 1, cause: error)
      }
      let soFar = migration.statements.prefix(index + 1)
      try await connection.execute(
        "UPDATE schema_migrations SET statements_done = ?, checksum = ? WHERE version = ?",
        [.int(Int64(index + 1)), .text(try await checksum(soFar, on: connection)), .int(Int64(migration.version))])
    }
    try await connection.execute(
      "UPDATE schema_migrations SET applied_at = CURRENT_TIMESTAMP(3) WHERE version = ?", [.int(Int64(migration.version))])
  }

  /// SHA-256 in hexadecimal, reckoned by the server, over the statements, each ended by a NUL (which no statement has inside).
  private static func checksum(_ statements: ArraySlice<String>, on connection: Connection) async throws -> String {
    var text: [UInt8] = []
    for statement in statements {
      text.append(contentsOf: statement.utf8)
      text.append(0)
    }
    guard let row = try await connection.query("SELECT SHA2(?, 256) AS checksum", [.bytes(text)]).first else {
      throw MySQLError(kind: .statement, message: "SHA2 gave no row")
    }
    return try row.string("checksum")
  }
}

extension MySQLError {
  /// A column (1060) or key (1061) that a statement adds is there already, or one that it drops is not there (1091).
  fileprivate var saysThatItIsDone: Bool { [1060, 1061, 1091].contains(code) }
}
