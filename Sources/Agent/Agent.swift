import AMQP
import FleetProtocol
import ServiceRuntime

/// One agent, from its startup check to its farewell.
public struct Agent: Sendable {
  private let settings: AgentSettings
  private let timings: AgentTimings
  private let log: Logger
  private let serviceManager: ServiceManager
  private let stopRequest = Observed(false)
  private let isConnected = Observed(false)
  private let desk = Lock<CommandDesk?>(nil)
  private let onJournalStep: @Sendable (JournalStep) -> Void

  /// An agent of these settings; nothing happens before `run`.
  public init(_ settings: AgentSettings, log: Logger, serviceManager: ServiceManager = .none) {
    self.init(settings, timings: AgentTimings(), log: log, serviceManager: serviceManager)
  }

  /// One that calls `onJournalStep` at each moment of a command's life, from any thread, so that a test can end the process there.
  package init(_ settings: AgentSettings, log: Logger, onJournalStep: @escaping @Sendable (JournalStep) -> Void) {
    self.init(settings, timings: AgentTimings(), log: log, onJournalStep: onJournalStep)
  }

  init(
    _ settings: AgentSettings, timings: AgentTimings, log: Logger, serviceManager: ServiceManager = .none,
    onJournalStep: @escaping @Sendable (JournalStep) -> Void = { _ in }
  ) {
    self.settings = settings
    self.timings = timings
    self.log = log
    self.serviceManager = serviceManager
    self.onJournalStep = onJournalStep
  }

  /// Asks the agent to stop: it finishes the commands in hand, says that it is offline and returns from `run`. From any thread.
  public func stop() { stopRequest.update { $0 = true } }

  /// Runs until the agent was stopped, or cannot begin. To be called once. Cancelling the task ends it without a farewell.
  ///
  /// Whatever went wrong was written to the log. What cannot be interrupted, a login at a broker that does not answer, ends after its time-out.
  public func run() async -> AgentExit {
    await withTaskGroup(of: AgentExit?.self) { group in
      group.addTask { await live() }
      group.addTask {
        do {
          try await stopRequest.wait { $0 }
          // While there is a connection, the farewell is said on it; without one there is nothing to wait for but commands that still run.
          try await isConnected.wait { !$0 }
          try await desk.withLock { $0 }?.ledger.wait { $0.busy == 0 }
        } catch {
          // Cancelled: the agent has ended by itself.
        }
        return nil
      }
      defer { group.cancelAll() }
      while let ended = await group.next() {
        if let exit = ended { return exit }
        group.cancelAll()
      }
      return .stopped
    }
  }

  private func live() async -> AgentExit {
    let loop = EventLoop(name: "amqp")
    defer { loop.stop() }
    do {
      let context = try await start(on: loop)
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { await context.desk.run(context) }
        group.addTask { try await tellServiceManager(context) }
        group.addTask { try await work(context) }
        defer { group.cancelAll() }
        for try await _ in group {}
      }
      // `work` ends by throwing only.
      return .stopped
    } catch let exit as AgentExit {
      return exit
    } catch is CancellationError {
      return .stopped
    } catch {
      log.error("The agent cannot go on: \(error)")
      return .startupFailed
    }
  }

  /// Everything before the broker: the server's health, what instance this is, the credential.
  private func start(on loop: EventLoop) async throws -> AgentContext {
    for remark in settings.remarks { log.report([ErrorReport.Line(level: remark.level, text: remark.text)]) }
    let report = ErrorReport(serverURL: settings.serverURL.description, tokenPreview: settings.clientToken.preview)
    let retry = StartupRetry(report: report, log: log)
    let api = ServerAPI(settings, timings: timings)
    defer { api.close() }
    try await StartupCheck(settings, log: log).run(api, retry)

    let metadata = await settings.metadataEndpoint.asyncMap { await MetadataService(endpoint: $0, timings).read() }
    try Task.checkCancellation()
    let logicalAgentID = settings.logicalAgentID ?? metadata?.instanceID ?? hostName()
    let clock = FleetClock()
    let store = try settings.stateFolder.map {
      try CredentialStore($0, serverURL: settings.serverURL, token: settings.clientToken, logicalAgentID: logicalAgentID)
    }
    let source = CredentialSource(
      settings: settings, timings: timings, logicalAgentID: logicalAgentID, store: store, clock: clock, log: log)
    let credentials = try await firstCredential(source, api, retry)
    let desk = try await openDesk(credentials.current.clientID, logicalAgentID, clock)
    self.desk.withLock { $0 = desk }
    log.info("Agent \(logicalAgentID) has a broker credential for the client \(credentials.current.clientID)")
    return AgentContext(
      settings: settings, timings: timings, log: log, clock: clock, loop: loop, metadata: metadata ?? InstanceMetadata(),
      logicalAgentID: logicalAgentID, credentials: credentials, desk: desk, stop: stopRequest)
  }

  /// The desk of commands, with what a former process left in the journal. A process that is just ending may still hold it.
  private func openDesk(_ clientID: String, _ logicalAgentID: String, _ clock: FleetClock) async throws -> CommandDesk {
    let places = settings.maximumConcurrentCommands
    guard let state = settings.stateFolder else { return .inMemory(places: places, clock: clock, log: log) }
    let owner = JournalFolder.Owner(serverURL: settings.serverURL.description, clientID: clientID, logicalAgentID: logicalAgentID)
    let deadline = ContinuousClock.now + timings.journalPatience
    while true {
      do throws(JournalProblem) {
        let (journal, contents) = try await DiskWork.run { [onJournalStep] () throws(JournalProblem) in
          try Journal.open(JournalFolder(of: owner, in: state), now: clock.now(), onStep: onJournalStep)
        }
        return await .resuming(journal, contents, places: places, folder: settings.commandsFolder, clock: clock, log: log)
      } catch {
        guard case .inUse = error, ContinuousClock.now < deadline else {
          log.error("\(error)")
          throw AgentExit.startupFailed
        }
        log.debug("\(error); waiting for it to end")
      }
      try await Task.sleep(for: .milliseconds(100))
    }
  }

  /// From the server; from the disk when the server lives and has none to give.
  private func firstCredential(_ source: CredentialSource, _ api: ServerAPI, _ retry: StartupRetry) async throws -> CredentialKeeper {
    do {
      return try await retry.run { () async throws(ServerFailure) in try CredentialKeeper(try await source.fetch(api), from: source) }
    } catch let error as ServerFailure {
      if error.isAuthentication { throw AgentExit.authenticationRefused }
      guard let stored = source.stored() else { throw AgentExit.startupFailed }
      log.warning("The credential on disk is used, which is valid until \(stored.expiresAt.iso8601)")
      return try CredentialKeeper(stored, from: source)
    }
  }

  /// Everything after: one connection after the other. Never returns; it throws.
  private func work(_ context: AgentContext) async throws -> Never {
    let login = BrokerLogin(context)
    let reconnector = Reconnector(ceiling: timings.retryCeiling)
    while true {
      try await reconnector.run {
        try await login.open()
      } onFailure: { failure in
        try tell(failure, context, login)
      } work: { connection, healthy in
        isConnected.update { $0 = true }
        defer { isConnected.update { $0 = false } }
        try await ConnectedAgent(context, connection, try login.endpoint, healthy: healthy).run()
      }
      try Task.checkCancellation()
    }
  }

  /// Registered is ready. From then on the watchdog hears of the agent for as long as Swift's pool, where this task runs, and the event loop, which it
  /// visits, do their work; a broker that is away is no reason to be ended.
  private func tellServiceManager(_ context: AgentContext) async throws {
    try await context.membership.wait { $0.hasBegun }
    await serviceManager.ready("\(context.name) is registered")
    try await withThrowingTaskGroup(of: Void.self) { group in
      let probe = ExecutorProbe(context.loop)
      group.addTask { try await serviceManager.keepWatchdog { await probe.visit() } }
      group.addTask {
        while true {
          try await isConnected.wait { !$0 }
          await serviceManager.status("\(context.name) has no connection to the broker and tries again")
          try await isConnected.wait { $0 }
          await serviceManager.status("\(context.name) is connected to the broker")
        }
      }
      try await group.waitForAll()
    }
  }

  private func tell(_ failure: Reconnector.Failure, _ context: AgentContext, _ login: BrokerLogin) throws {
    if let exit = failure.error as? AgentExit { throw exit }
    guard let error = failure.error as? AMQPError else { throw failure.error }
    let isStarting = !context.membership.value.hasBegun
    let givesUp = isStarting && failure.count >= Backoff.attemptsBeforeReport
    if failure.count == 1 && !isStarting { log.warning("\(context.name) lost its connection to the broker: \(error)") }
    let operation = try login.endpoint.operation(isStarting ? .register : .heartbeat)
    log.report(context.report.lines(operation, Failure(error), number: failure.count, retryingIn: givesUp ? nil : failure.delay))
    if givesUp { throw AgentExit.startupFailed }
  }
}

extension Optional where Wrapped: Sendable {
  /// `map` with a closure that waits.
  fileprivate func asyncMap<Result: Sendable>(_ transform: (Wrapped) async -> Result) async -> Result? {
    guard let self else { return nil }
    return await transform(self)
  }
}
