import ServiceRuntime

/// A fixed number of connections, opened as they are needed and lent to one caller at a time, first come, first served.
///
/// From any task. A connection that was lost is thrown away and its place taken by a new one; one that lay idle for `pingAfter`, or beside one
/// that was lost, is asked for a sign of life before it is lent again. Nothing is retried in the background: while the database is away every
/// caller gets the error of its own attempt.
public final class Pool: Sendable {
  /// What its connections are opened with.
  public let configuration: DatabaseConfiguration

  private let queue: PoolQueue

  /// A pool of at most `size` connections. `waitLimit` bounds how long a caller queues (not the connecting after it; `nil`: for ever).
  public init(
    configuration: DatabaseConfiguration, size: Int, waitLimit: Duration? = .seconds(30), pingAfter: Duration = .seconds(30)
  ) {
    self.configuration = configuration
    queue = PoolQueue(size: size, pingAfter: pingAfter, waitLimit: waitLimit)
  }

  /// Lends a connection to `body`, which must not keep it. What `body` leaves of a transaction is rolled back; session variables and
  /// locks by name are `body`'s own to undo.
  ///
  /// Throws what `body` throws, `CancellationError` when cancelled in the queue, and `MySQLError` (`connect`, `poolTimeout`, `closed`).
  public func withConnection<Result>(
    isolation: isolated (any Actor)? = #isolation, _ body: (Connection) async throws -> Result
  ) async throws -> Result {
    let connection = try await acquire()
    do {
      let result = try await body(connection)
      await release(connection)
      return result
    } catch {
      await release(connection)
      throw error
    }
  }

  /// Ends the pool: who waits gets an error, idle connections are closed, and it returns when those that are out have come back and are closed.
  public func close() async {
    for connection in queue.close() { await connection.close() }
    await queue.waitUntilDrained()
  }

  /// Who has what of its connections now: for metrics.
  public var usage: PoolUsage { queue.read { $0.usage } }
  /// How many callers wait: for tests.
  public var waiterCount: Int { queue.read { $0.waiterCount } }
  /// Connections that exist or are being made.
  public var connectionCount: Int { queue.read { $0.slotsTaken } }

  private func acquire() async throws -> Connection {
    switch try await queue.nextTurn() {
    case .use(let connection, let needsPing):
      guard needsPing else { return connection }
      do {
        try await connection.ping()
        return connection
      } catch {
        // Why it died is of no interest: the new connection, or its error, tells what is the matter now.
        await connection.close()
        queue.record { $0.replace() }
        return try await connect()
      }
    case .connect: return try await connect()
    case .fail(let error): throw error
    }
  }

  private func connect() async throws(MySQLError) -> Connection {
    do throws(MySQLError) {
      let connection = try await Connection.open(configuration)
      queue.record { $0.connected() }
      return connection
    } catch {
      queue.update { $0.connectFailed(error, now: .now) }
      throw error
    }
  }

  /// Returns the connection to the pool, or throws it away.
  private func release(_ connection: Connection) async {
    if await connection.recycle(), queue.giveBack(connection) { return }
    await connection.close()
    queue.update { $0.discard(now: .now) }
  }
}
