import FleetProtocol
import HTTP
import HTTPServing
import MySQL
import ServiceRuntime

/// The HTTP front: health, the agents' credentials for the broker, their configuration, and the calls of v4 agents, which poll.
public final class Front: Sendable {
  /// What the front works with.
  public struct Parts: Sendable {
    /// The database's pool, shared with whatever else runs in the process.
    public var pool: Pool
    /// Signs the credentials.
    public var credentials: CredentialDesk
    /// Writes refusals down.
    public var authFailures: AuthFailureRecorder
    /// The fleet's clock.
    public var clock: FleetClock
    /// How the process's connection to the broker is.
    public var broker: @Sendable () async -> BrokerState
    /// The log.
    public var logger: Logger
    /// An agent that gave a sign of life within this time is alive (`AGENT_HEARTBEAT_TIMEOUT`).
    public var heartbeatTimeout: Duration
    /// Deletes a queue at the broker.
    public var deleteQueue: @Sendable (String) async throws -> Void
    /// Wakes whoever works off what was committed, in every process; best effort.
    public var wakeUp: @Sendable () async -> Void
    /// Counts requests.
    public var metrics: ServerMetrics
    /// Answers `GET /metrics`; `nil`: not here.
    public var metricsPage: (@Sendable () async -> HTTPResponse)?

    /// Parts; see the properties.
    public init(
      pool: Pool, credentials: CredentialDesk, authFailures: AuthFailureRecorder, clock: FleetClock,
      broker: @escaping @Sendable () async -> BrokerState, logger: Logger, heartbeatTimeout: Duration = .seconds(120),
      deleteQueue: @escaping @Sendable (String) async throws -> Void = { _ in }, wakeUp: @escaping @Sendable () async -> Void = {},
      metrics: ServerMetrics = ServerMetrics(), metricsPage: (@Sendable () async -> HTTPResponse)? = nil
    ) {
      self.pool = pool
      self.credentials = credentials
      self.authFailures = authFailures
      self.clock = clock
      self.broker = broker
      self.logger = logger
      self.heartbeatTimeout = heartbeatTimeout
      self.deleteQueue = deleteQueue
      self.wakeUp = wakeUp
      self.metrics = metrics
      self.metricsPage = metricsPage
    }
  }

  private let server: HTTPServer
  private let monitor: HealthMonitor

  /// Listens from here on; `run` answers.
  public init(_ configuration: HTTPServerConfiguration, _ parts: Parts) throws(HTTPServerError) {
    let monitor = HealthMonitor(database: parts.pool.configuration, broker: parts.broker, logger: parts.logger)
    let handler = FrontHandler(parts: parts, monitor: monitor)
    self.monitor = monitor
    server = try HTTPServer(configuration) { await handler.answer($0) }
  }

  /// The port it listens on.
  public var port: Int { server.port }

  /// Answers until the task is cancelled or `stop` is called; returns when every request under way was answered.
  public func run() async {
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await self.server.run() }
      group.addTask { await self.monitor.run() }
      await group.next()
      group.cancelAll()
    }
  }

  /// Refuses new connections and finishes the requests under way; `run` then returns.
  public func stop() async { await server.stop() }
}
