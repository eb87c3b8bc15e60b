import ServiceRuntime

/// A fixed number of connections, opened as they are needed and lent to one caller at a time, first come, first served.
///
/// From any task. A connection that was lost is thrown away and its place taken by a new one; one that lay idle for `pingAfter`, or beside one
/// that was lost, is asked for a sign of life before it is lent again. Nothing is retried in the background: while the database is away every
/// caller gets the error of its own attempt.
public final class Pool: Sendable {
  /// Attempts of a transaction at deadlocks and lock waits, the first included.
  public static let transactionAttempts = 5

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
  public func withConnection<Result: Sendable>(_ body: @Sendable (Connection) async throws -> Result) async throws -> Result {
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

  /// Runs `body` in a transaction (READ COMMITTED) and commits it; whatever `body` throws rolls it back.
  ///
  /// At a deadlock or a lock wait that took too long everything is rolled back and `body` runs again, up to `transactionAttempts` times in all; so
  /// `body` must have no other effects, and must let `MySQLError` through. A connection lost during COMMIT throws kind `unknownOutcome` and is not
  /// repeated.
  public func transaction<Result: Sendable>(_ body: @Sendable (Connection) async throws -> Result) async throws -> Result {
    var attempt = 1
    while true {
      do {
        return try await withConnection { connection in try await connection.transaction(body) }
      } catch let error as TransactionNotBegun where error.cause.isConnectionLost && attempt < Self.transactionAttempts {
        // The connection had died unnoticed; nothing has run, and the next one is checked before it is lent.
        attempt += 1
      } catch let error as TransactionNotBegun {
        throw error.cause
      } catch let error as MySQLError where error.isRetryable && attempt < Self.transactionAttempts {
        // Random, so that two that collided do not collide again.
        try await Task.sleep(for: .milliseconds(Int64.random(in: 1...(10 << attempt))))
        attempt += 1
      }
    }
  }

  /// Ends the pool: who waits gets an error, idle connections are closed, and it returns when those that are out have come back and are closed.
  public func close() async {
    for connection in queue.close() { await connection.close() }
    await queue.waitUntilDrained()
  }

  /// How many callers wait: for tests and metrics.
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
        queue.update { $0.replace() }
        return try await connect()
      }
    case .connect: return try await connect()
    case .fail(let error): throw error
    }
  }

  private func connect() async throws(MySQLError) -> Connection {
    do throws(MySQLError) {
      let connection = try await Connection.open(configuration)
      queue.update { $0.connected() }
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
