import MySQL
import ServiceRuntime

/// Watches the database and the broker, so that `/health` is answered at once, however long a dead server takes to be noticed and however often
/// somebody asks.
final class HealthMonitor: Sendable {
  /// How often each is looked at.
  static let interval: Duration = .seconds(1)
  /// How long one look may take before it counts as failed.
  static let limit: Duration = .seconds(2)

  /// What is known of one of the two.
  enum State: Sendable, Equatable {
    case connected
    /// Why not, for the log.
    case away(String)
  }

  private struct Observation {
    var state: State?
    /// When the look that is under way began.
    var lookingSince: ContinuousClock.Instant?
  }

  private let pool: Pool
  private let broker: @Sendable () async -> BrokerState
  private let logger: Logger
  private let databaseState = Lock(Observation())
  private let brokerState = Lock(Observation())

  /// `database` is looked at over a connection of its own, so that a busy pool does not look like a dead server.
  init(database: DatabaseConfiguration, broker: @escaping @Sendable () async -> BrokerState, logger: Logger) {
    var configuration = database
    configuration.connectTimeout = Self.limit
    configuration.readTimeout = Self.limit
    configuration.writeTimeout = Self.limit
    pool = Pool(configuration: configuration, size: 1)
    self.broker = broker
    self.logger = logger
  }

  /// Looks at both again and again until the task is cancelled.
  func run() async {
    await withDiscardingTaskGroup { group in
      group.addTask { await self.watch("Database", self.databaseState) { await self.lookAtDatabase() } }
      group.addTask { await self.watch("Broker", self.brokerState) { await self.lookAtBroker() } }
    }
    await pool.close()
  }

  /// The state of the database as last seen.
  var database: State { Self.current(databaseState) }
  /// The state of the broker now: the process knows it without asking anybody, so an agent that starts right after the server is not told
  /// what was true a second ago.
  var brokerConnection: State { get async { await lookAtBroker() } }

  /// Waits, at most as long as a look may take, until both were looked at once.
  func firstLook() async {
    let deadline = ContinuousClock.now + Self.limit
    while ContinuousClock.now < deadline, [databaseState, brokerState].contains(where: { $0.withLock { $0.state == nil } }) {
      do { try await Task.sleep(for: .milliseconds(10)) } catch { return }
    }
  }

  private static func current(_ observation: Lock<Observation>) -> State {
    observation.withLock { observation in
      if let since = observation.lookingSince, since.duration(to: .now) > limit { return .away("no answer within \(limit.inSeconds) s") }
      return observation.state ?? .away("not looked at yet")
    }
  }

  private func watch(_ name: String, _ observation: Lock<Observation>, _ look: () async -> State) async {
    while !Task.isCancelled {
      observation.withLock { $0.lookingSince = .now }
      let state = await look()
      let before = observation.withLock { observation in
        defer {
          observation.lookingSince = nil
          observation.state = state
        }
        return observation.state
      }
      report(name, before, state)
      // Cancellation ends the loop.
      do { try await Task.sleep(for: Self.interval) } catch { return }
    }
  }

  private func report(_ name: String, _ before: State?, _ state: State) {
    switch (before, state) {
    // At the first look the connections are still being made, and whoever makes them says why it fails.
    case (.connected, .away(let reason)) where !Task.isCancelled: logger.error("\(name) is away, /health answers 503: \(reason)")
    case (.away, .connected): logger.info("\(name) is connected, as /health sees it")
    default: break
    }
  }

  private func lookAtDatabase() async -> State {
    do {
      try await pool.withConnection { connection in try await connection.ping() }
      return .connected
    } catch {
      return .away("\(error)")
    }
  }

  private func lookAtBroker() async -> State {
    switch await broker() {
    // An alarm keeps publishers waiting, and everything comes through in the end.
    case .connected, .blocked: .connected
    case .disconnected(let reason): .away(reason)
    }
  }
}
