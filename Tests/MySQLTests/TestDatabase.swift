import MySQL
import ServiceRuntime
import TestSupport

/// The way to a fresh, empty database on the shared server.
func freshDatabase() async throws -> DatabaseConfiguration {
  DatabaseConfiguration(try await LocalServices.shared().createDatabase())
}

/// A connection to a fresh database with these tables, closed when `body` ends.
func withFreshConnection(
  _ tables: SQLText..., body: (Connection) async throws -> Void
) async throws {
  let connection = try await Connection.open(freshDatabase())
  do {
    for table in tables { try await connection.executeText(table) }
    try await body(connection)
  } catch {
    await connection.close()
    throw error
  }
  await connection.close()
}

/// A pool on a fresh database with these tables, closed when `body` ends.
func withFreshPool(
  size: Int, waitLimit: Duration? = .seconds(30), pingAfter: Duration = .seconds(30),
  configure: (inout DatabaseConfiguration) -> Void = { _ in }, tables: [SQLText] = [], body: (Pool) async throws -> Void
) async throws {
  var configuration = try await freshDatabase()
  configure(&configuration)
  let pool = Pool(configuration: configuration, size: size, waitLimit: waitLimit, pingAfter: pingAfter)
  do {
    for table in tables { try await pool.withConnection { connection in _ = try await connection.executeText(table) } }
    try await body(pool)
  } catch {
    await pool.close()
    throw error
  }
  await pool.close()
}

extension DatabaseConfiguration {
  init(_ login: LocalServices.DatabaseLogin) {
    self.init(
      host: login.host, port: UInt16(login.port), user: login.user, password: login.password, database: login.name)
  }
}

/// The `MySQLError` that `body` throws; anything else passes through, and no error is one.
func mysqlError(_ body: () async throws -> Void) async throws -> MySQLError {
  do {
    try await body()
  } catch let error as MySQLError {
    return error
  }
  throw NothingThrown()
}

struct NothingThrown: Error {}
