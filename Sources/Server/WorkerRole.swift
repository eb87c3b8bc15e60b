import AMQP
import FleetProtocol
import MySQL
import ServiceRuntime

/// Everything that a process of the worker's role runs: the consuming side, and what works off what was committed.
///
/// Any number of processes may run it at once; each part says how it shares its work.
struct WorkerRole: Sendable {
  let configuration: ServerConfiguration
  let pool: Pool
  /// The loop of the connection that consumes.
  let consuming: EventLoop
  /// The loop of the connections that publish.
  let publishing: EventLoop
  let clock: FleetClock
  let authFailures: AuthFailureRecorder
  let publisher: Publisher
  let metrics: ServerMetrics
  /// The server's queues, looked at over the connection that consumes.
  let queues: QueueCensus
  let serviceManager: ServiceManager
  let logger: Logger

  /// Works until `stop` is wished or the task is cancelled. A wish lets the batches under way of those who publish be finished.
  func run(until stop: StopRequest) async throws {
    let signals = WorkSignals()
    let accounts = AccountCache(ClientStore(pool))
    let commands = CommandStore(pool)
    let agents = AgentStore(pool, heartbeatTimeout: configuration.heartbeatTimeout)
    let worker = worker(
      InboxContext(
        accounts: accounts, authFailures: authFailures, publisher: publisher, clock: clock, signals: signals, metrics: metrics,
        logger: logger))
    let dispatcher = Dispatcher(
      store: commands, accounts: accounts, publisher: publisher, signals: signals, clock: clock, metrics: DispatchMetrics(metrics),
      logger: logger)
    let canceller = CancelDispatcher(
      store: commands, accounts: accounts, publisher: publisher, signals: signals, clock: clock, logger: logger)
    let sweep = CommandSweep(store: commands, signals: signals, logger: logger)
    let rollouts = RolloutCoordinator(store: RolloutStore(pool), commands: commands, signals: signals, logger: logger)
    let configurations = ConfigurationWatch(
      store: agents, leaderLock: LeaderLock(configuration.database.configuration, name: ConfigurationWatch.lockName),
      signals: signals, logger: logger)
    // Apart, so that a slow subscriber, for whom the broker slows its publisher down, never slows a command down.
    let eventPublisher = Publisher(
      configuration.broker.connection(named: "spot-optimizer-server events"), on: publishing,
      metrics: BrokerConnectionMetrics(metrics, .events), logger: logger)
    let relay = EventRelay(pool, publisher: eventPublisher, wakeup: signals.events, metrics: metrics, logger: logger)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await worker.run() }
      group.addTask { try await eventPublisher.run() }
      // Together: the first of all that returns ends the process, and each of these has a batch to finish.
      group.addTask {
        try await withThrowingTaskGroup(of: Void.self) { group in
          group.addTask { try await dispatcher.run(until: stop) }
          group.addTask { try await relay.run(until: stop) }
          try await group.waitForAll()
        }
      }
      group.addTask { try await canceller.run() }
      group.addTask { try await sweep.run() }
      group.addTask { try await rollouts.run() }
      group.addTask { try await configurations.run() }
      group.addTask { try await TagRetention(store: agents, logger: logger).run() }
      group.addTask { try await Retention(pool, days: configuration.retentionDays, logger: logger).run() }
      defer { group.cancelAll() }
      try await group.next()
    }
  }

  private func worker(_ context: InboxContext) -> Worker {
    var connection = configuration.broker.connection(named: "spot-optimizer-server consume")
    // Each of the registrations under way may need a channel of its own (`AgentQueues`).
    connection.maximumChannels = 64
    // A reply-to written out and a delivery count are some hundred bytes.
    connection.inboundFrameAllowance = 16_384
    var agents = AgentStore(pool, heartbeatTimeout: configuration.heartbeatTimeout)
    agents.announcer = Announcer(signals: context.signals, logger: logger)
    let directory = AgentDirectory(agents)
    return Worker(
      configuration: connection, loop: consuming,
      registrations: RegistrationDesk(
        store: agents, directory: directory, heartbeatInterval: configuration.heartbeatInterval, context: context),
      heartbeats: HeartbeatDesk(store: agents, directory: directory, context: context),
      results: ResultDesk(store: CommandStore(pool), events: SystemEventStore(pool), context: context),
      notices: NoticeDesk(store: agents, context: context),
      presence: PresenceWatch(
        store: agents, leaderLock: LeaderLock(configuration.database.configuration, name: PresenceWatch.lockName),
        timeout: configuration.heartbeatTimeout, logger: logger),
      queues: queues, connectionMetrics: BrokerConnectionMetrics(metrics, .consume), signals: context.signals,
      serviceManager: serviceManager, logger: logger)
  }
}
