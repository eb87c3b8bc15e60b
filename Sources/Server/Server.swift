import AMQP
import FleetProtocol
import HTTP
import HTTPServing
import MySQL
import ServiceRuntime

/// One server process: what its role says, wired together and run.
///
///     agents → broker → Worker (Inbox: registrations, heartbeats, results, notices) → Store
///     Store → WorkerRole (Dispatcher, CancelDispatcher, RolloutCoordinator, EventRelay, …) → Publisher → broker → agents, subscribers
///     agents → Front (health, credentials, the calls of v4 agents) → Store
public struct Server: Sendable {
  private let configuration: ServerConfiguration
  private let logger: Logger
  private let serviceManager: ServiceManager

  /// A server that is told everything by `configuration`.
  public init(_ configuration: ServerConfiguration, logger: Logger, serviceManager: ServiceManager = .none) {
    self.configuration = configuration
    self.logger = logger
    self.serviceManager = serviceManager
  }

  /// Runs until `stop` is wished: dispatches what was claimed, lets requests under way be answered, gives unacknowledged messages back to their
  /// queues, and returns.
  ///
  /// Throws `ConfigurationError` and `MigrationError` for what no waiting mends. A database or broker that is away is waited for.
  public func run(until stop: StopRequest) async throws {
    for warning in configuration.warnings { logger.warning(warning) }
    let consuming = EventLoop(name: "amqp-consume")
    let publishing = EventLoop(name: "amqp-publish")
    let pool = configuration.database.pool()
    defer {
      consuming.stop()
      publishing.stop()
    }
    do {
      try await run(pool, consuming, publishing, stop)
      await pool.close()
    } catch {
      await pool.close()
      throw error
    }
  }

  private func run(_ pool: Pool, _ consuming: EventLoop, _ publishing: EventLoop, _ stop: StopRequest) async throws {
    let clock = FleetClock(pool, logger: logger)
    let metrics = ServerMetrics()
    metrics.buildInfo.member(programVersion, configuration.role.rawValue).set(1)
    let queues = QueueCensus()
    let page = MetricsPage(metrics, pool: pool, queues: queues, logger: logger)
    let publisher = Publisher(
      configuration.broker.connection(named: "spot-optimizer-server publish"), on: publishing,
      metrics: BrokerConnectionMetrics(metrics, .publish), logger: logger)
    let authFailures = AuthFailureRecorder(SystemEventStore(pool), metrics: metrics, logger: logger)
    let front = try configuration.role.runsFront ? makeFront(pool, clock, authFailures, publisher, metrics, page) : nil
    let metricsListener = try configuration.metricsPort.map { try listenForMetrics(on: $0, page) }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await publisher.run() }
      if let front { group.addTask { await front.run() } }
      group.addTask { await page.run() }
      if let metricsListener { group.addTask { await metricsListener.run() } }
      if serviceManager.watchdogInterval != nil { group.addTask { try await keepWatchdog(consuming, publishing) } }
      group.addTask {
        await serviceManager.status("Waiting for the database")
        try await prepareDatabase(pool, clock)
        if !configuration.role.runsWorker { await serviceManager.ready("Listening") }
        try await withThrowingTaskGroup(of: Void.self) { group in
          group.addTask { try await clock.run() }
          if configuration.role.runsWorker {
            let work = WorkerRole(
              configuration: configuration, pool: pool, consuming: consuming, publishing: publishing, clock: clock,
              authFailures: authFailures, publisher: publisher, metrics: metrics, queues: queues, serviceManager: serviceManager,
              logger: logger)
            group.addTask { try await work.run(until: stop) }
          }
          defer { group.cancelAll() }
          try await group.next()
        }
      }
      group.addTask {
        await stop.wait()
        // The dispatcher ends by itself; it may have a broker and a database that answer slowly to wait for.
        if configuration.role.runsWorker { try await Task.sleep(for: .seconds(5)) }
      }
      defer { group.cancelAll() }
      try await group.next()
    }
    logger.info("Stopped")
  }

  /// Brings the schema to this program's version and asks for the time; waits for a database that is away.
  private func prepareDatabase(_ pool: Pool, _ clock: FleetClock) async throws {
    let applied = try await DatabaseRetry(logger: logger).run {
      let applied = try await Migrator(pool).migrate(Schema.migrations)
      try await clock.measure()
      return applied
    }
    for version in applied { logger.info("Database schema is at version \(version)") }
  }
}

extension Server {
  /// For as long as Swift's pool, where this runs, and both event loops do their work. A database or broker that is away is waited for, not died of.
  private func keepWatchdog(_ consuming: EventLoop, _ publishing: EventLoop) async throws {
    let probes = [ExecutorProbe(consuming), ExecutorProbe(publishing)]
    try await serviceManager.keepWatchdog { for probe in probes { await probe.visit() } }
  }

  private func listenForMetrics(on port: Int, _ page: MetricsPage) throws -> MetricsListener {
    let listener: MetricsListener
    do throws(HTTPServerError) {
      listener = try MetricsListener(HTTPServerConfiguration(address: configuration.metricsHost, port: port), page)
    } catch {
      throw ConfigurationError(
        name: "METRICS_PORT", problem: "is \(port) and METRICS_HOST '\(printable(configuration.metricsHost))': \(error)",
        remedy: "METRICS_HOST and METRICS_PORT say where the metrics are; unset both to have them on the front's port")
    }
    logger.info("Metrics are at http://\(configuration.metricsHost):\(listener.port)\(MetricsPage.path)")
    return listener
  }

  private func makeFront(
    _ pool: Pool, _ clock: FleetClock, _ authFailures: AuthFailureRecorder, _ publisher: Publisher, _ metrics: ServerMetrics,
    _ page: MetricsPage
  ) throws -> Front {
    let terms = CredentialDesk.Terms(
      brokers: configuration.agentBrokers, virtualHost: configuration.broker.virtualHost, lifetime: configuration.credentialLifetime,
      heartbeatInterval: configuration.heartbeatInterval)
    let desk = try CredentialDesk(keysDirectory: configuration.keysDirectory, terms: terms, logger: logger)
    var parts = Front.Parts(
      pool: pool, credentials: desk, authFailures: authFailures, clock: clock, broker: { await publisher.state }, logger: logger,
      heartbeatTimeout: configuration.heartbeatTimeout, deleteQueue: { try await publisher.deleteQueue($0) },
      wakeUp: { _ = await publisher.publish([DispatchWakeup.publication()], timeout: .seconds(1)) },
      metrics: metrics)
    if configuration.metricsPort == nil { parts.metricsPage = { await page.answer() } }
    var http = HTTPServerConfiguration(address: configuration.httpHost, port: configuration.httpPort)
    // Agents that poll do not try again what was refused, and wait half a minute: their calls wait for the database rather than being turned away.
    http.requests = http.connections
    let front: Front
    do throws(HTTPServerError) {
      front = try Front(http, parts)
    } catch {
      throw ConfigurationError(
        name: "HTTP_PORT", problem: "is \(configuration.httpPort) and HTTP_HOST '\(printable(configuration.httpHost))': \(error)",
        remedy: "HTTP_HOST and HTTP_PORT say where the front listens")
    }
    logger.info("Listening on http://\(configuration.httpHost):\(front.port)")
    return front
  }
}
