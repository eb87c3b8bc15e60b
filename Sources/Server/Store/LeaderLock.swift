import MySQL
import ServiceRuntime

/// One process of all servers at a time: a lock by name (`GET_LOCK`) on a connection of its own.
///
/// The lock ends with the connection, and the server may notice a dead connection late; so it keeps duplicate work down, and the work must still
/// be right when two processes do it at once.
public actor LeaderLock {
  private let configuration: DatabaseConfiguration
  private let name: String
  private var connection: Connection?

  /// A lock named `name` in the configuration's database; another database's is another lock.
  public init(_ configuration: DatabaseConfiguration, name: String) {
    self.configuration = configuration
    self.name = name
  }

  /// Takes the lock or keeps it; `false` while another process has it. Does not wait. Throws `MySQLError` when the database is away; the
  /// lock is lost then, and the next call starts with a new connection.
  public func hold() async throws -> Bool {
    let connection: Connection
    if let own = self.connection {
      connection = own
    } else {
      connection = try await Connection.open(configuration)
      self.connection = connection
    }
    do {
      // GET_LOCK counts how often one connection takes it, so it is only asked for when it is not held.
      let row = try await connection.query(
        "SELECT IF(IS_USED_LOCK(\(Self.scoped)) = CONNECTION_ID(), 1, GET_LOCK(\(Self.scoped), 0)) AS held", [.text(name), .text(name)]
      ).first
      return try row?.optionalInt("held") == 1
    } catch {
      await close()
      throw error
    }
  }

  /// Gives the lock up, for another process to take at once.
  public func release() async {
    // Closing frees it too, but the server gets round to that only later. An error means that it is free already.
    _ = try? await connection?.query("SELECT RELEASE_LOCK(\(Self.scoped)) AS released", [.text(name)])
    await close()
  }

  private func close() async {
    await connection?.close()
    connection = nil
  }

  /// Names are the whole server's and of 64 characters at most, so the database's name is in it as a hash.
  static let scoped = "LEFT(SHA2(CONCAT(DATABASE(), '.', ?), 256), 60)"
}
