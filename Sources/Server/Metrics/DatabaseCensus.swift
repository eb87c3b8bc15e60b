import MySQL
import ServiceRuntime

/// Looks at the database for the page of metrics, over a connection of its own, so that a busy pool does not look like a dead server.
struct DatabaseCensus: Sendable {
  /// What one look found.
  struct Finding: Sendable {
    var isUp = false
    /// `nil` while the database is away, or has no tables yet.
    var counts: FleetCounts?
  }

  /// How long connecting and each answer may take.
  private static let limit: Duration = .seconds(2)

  private let census = Census<Finding>()
  private let pool: Pool
  private let logger: Logger

  init(_ database: DatabaseConfiguration, logger: Logger) {
    var configuration = database
    configuration.connectTimeout = Self.limit
    configuration.readTimeout = Self.limit
    configuration.writeTimeout = Self.limit
    // Asked for a sign of life before each look: a connection from before a restart is no sign of the database's being away.
    pool = Pool(configuration: configuration, size: 1, pingAfter: .zero)
    self.logger = logger
  }

  /// Looks for whoever asks until the task is cancelled.
  func run() async {
    do {
      try await census.run { await look() }
    } catch {
      // Only cancellation ends it.
      await pool.close()
    }
  }

  var readings: [MetricReading] {
    get async {
      let finding = await census.current() ?? Finding()
      return [MetricReading(.databaseUp, finding.isUp ? 1 : 0)] + (finding.counts?.readings ?? [])
    }
  }

  private func look() async -> Finding {
    var finding = Finding()
    do {
      try await pool.withConnection { connection in
        finding.isUp = true
        finding.counts = try await FleetCounts.read(on: connection)
      }
    } catch {
      logger.debug("The page of metrics has no figures of the fleet: \(error)")
    }
    return finding
  }
}
