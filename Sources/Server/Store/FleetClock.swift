import MySQL
import ServiceRuntime

/// The database's clock, which is the whole fleet's: servers whose machines disagree still write and judge the same times.
public final class FleetClock: Sendable {
  /// A difference beyond which the log is told.
  public static let warningThreshold: Duration = .seconds(5)
  /// How often `run` measures.
  public static let interval: Duration = .seconds(60)

  private let pool: Pool
  private let logger: Logger
  private let offset = Lock(Duration.zero)
  private let hasWarned = Lock(false)

  /// A clock that agrees with this machine's until it has measured.
  public init(_ pool: Pool, logger: Logger) {
    self.pool = pool
    self.logger = logger
  }

  /// The time by the database's clock as last measured.
  public func now() -> Timestamp { Timestamp.now().advanced(by: currentOffset) }

  /// How far the database's clock is ahead of this machine's; negative when it is behind.
  public var currentOffset: Duration { offset.withLock { $0 } }

  /// Asks the database for its time and takes the middle between question and answer as the moment of it. Throws `MySQLError`.
  public func measure() async throws {
    let (before, theirs, after) = try await pool.withConnection { connection in
      // Once for nothing, so that neither connecting nor preparing is in the measured time.
      _ = try await connection.query("SELECT NOW(3) AS now")
      let before = Timestamp.now()
      let row = try await connection.query("SELECT NOW(3) AS now").first
      return (before, try row?.timestamp("now"), Timestamp.now())
    }
    guard let theirs else { return }
    set(.milliseconds(theirs.milliseconds - (before.milliseconds + after.milliseconds) / 2))
  }

  /// Measures again and again until it is cancelled. A failure is told and leaves the last measurement in force.
  public func run() async throws {
    while true {
      try await Task.sleep(for: Self.interval)
      do {
        try await measure()
      } catch {
        try Task.checkCancellation()
        logger.warning("The database's clock cannot be asked, its last known difference of \(currentOffset.inSeconds) s stays: \(error)")
      }
    }
  }

  private func set(_ newOffset: Duration) {
    offset.withLock { $0 = newOffset }
    let isFar = newOffset > Self.warningThreshold || newOffset < .zero - Self.warningThreshold
    // Said when it begins and when it ends, not every minute.
    let isNews = hasWarned.withLock { hasWarned in
      defer { hasWarned = isFar }
      return hasWarned != isFar
    }
    guard isNews else { return }
    if isFar {
      logger.warning(
        "The database's clock is \(newOffset.inSeconds) s ahead of this machine's; the server goes by the database's. Set both with NTP")
    } else {
      logger.info("The database's clock and this machine's agree again (\(newOffset.inSeconds) s)")
    }
  }
}
