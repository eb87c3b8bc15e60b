/// One step of the schema's history. Once released it never changes; what is to be different comes as a new one.
public struct Migration: Sendable, Equatable {
  /// Its place in the order, 1 or more, unique.
  public let version: Int
  /// A few words for people: `create agents`.
  public let name: String
  /// Run one after another. Write each so that running it twice does no harm (`CREATE TABLE IF NOT EXISTS`): MySQL's DDL is not transactional.
  public let statements: [String]

  /// A step with its place, name and statements.
  public init(version: Int, name: String, statements: [String]) {
    self.version = version
    self.name = name
    self.statements = statements
  }
}

/// How the schema in the database compares with what the program knows.
public enum SchemaState: Sendable, Equatable {
  /// They agree.
  case current
  /// These versions are still to run, or to be finished.
  case behind([Int])
  /// The database has `version`, which the program does not know; `newestKnown` is the newest it does (0 when it knows none).
  case ahead(version: Int, newestKnown: Int)
  /// This version was applied with other statements than the program has; `checksum` is that of the applied ones.
  case changed(version: Int, checksum: String)
  /// `version` never ran, but the later `applied` did.
  case skipped(version: Int, applied: Int)
}

/// Why the schema was not brought up to date, and what to do.
public enum MigrationError: Error, CustomStringConvertible {
  /// The program's list is not in ascending order of versions from 1 up.
  case misordered(version: Int)
  /// See `SchemaState.ahead`.
  case ahead(version: Int, newestKnown: Int)
  /// See `SchemaState.changed`.
  case changed(version: Int, name: String)
  /// See `SchemaState.skipped`.
  case skipped(version: Int, applied: Int)
  /// Another program held the lock for longer than the limit.
  case locked(Duration)
  /// A statement failed; `statement` counts from 1. Those before it stand and are recorded.
  case failed(version: Int, name: String, statement: Int, cause: MySQLError)

  /// What is wrong and the remedy, in one line.
  public var description: String {
    switch self {
    case .misordered(let version):
      return "migration \(version) is out of order in the program's list; number them from 1 up, each once, in ascending order"
    case .ahead(let version, let newestKnown):
      return "the database's schema has version \(version), this program knows versions up to \(newestKnown) only; "
        + "start the newer program, or restore the database from before its migration"
    case .changed(let version, let name):
      return "migration \(version) (\(name)) was applied with other statements than this program has; "
        + "put its statements back as they were released and make the change a new migration"
    case .skipped(let version, let applied):
      return "migration \(version) was never applied, but the later \(applied) was; "
        + "give migration \(version) a number above \(applied) in a new release"
    case .locked(let limit):
      return "another program has been migrating the schema for \(limit.inSeconds)s; "
        + "wait for it, or find its connection with SHOW PROCESSLIST and end it with KILL"
    case .failed(let version, let name, let statement, let cause):
      return "migration \(version) (\(name)) stopped at its statement \(statement): \(cause); repair the cause and start again, "
        + "it goes on with that statement. If the statement had been carried out before a crash and says so (a table or column exists), undo "
        + "its effect by hand first"
    }
  }
}
