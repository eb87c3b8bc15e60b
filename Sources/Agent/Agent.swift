import AMQP
import FleetProtocol
import ServiceRuntime

/// One agent, from its startup check to its farewell.
public struct Agent: Sendable {
  private let settings: AgentSettings
  private let timings: AgentTimings
  private let log: Logger
  private let stopRequest = Observed(false)
  private let isConnected = Observed(false)

  /// An agent of these settings; nothing happens before `run`.
  public init(_ settings: AgentSettings, log: Logger) { self.init(settings, timings: AgentTimings(), log: log) }

  init(_ settings: AgentSettings, timings: AgentTimings, log: Logger) {
    self.settings = settings
    self.timings = timings
    self.log = log
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
          // While there is a connection, the farewell is said on it; without one there is nothing to wait for.
          try await isConnected.wait { !$0 }
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
      try await work(context)
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

    let metadata = await settings.metadataEndpoint.asyncMap { await MetadataService(endpoint: $0).read(within: timings.metadataTimeout) }
    try Task.checkCancellation()
    let logicalAgentID = settings.logicalAgentID ?? metadata?.instanceID ?? hostName()
    let clock = FleetClock()
    let store = try settings.stateFolder.map {
      try CredentialStore($0, serverURL: settings.serverURL, token: settings.clientToken, logicalAgentID: logicalAgentID)
    }
    let source = CredentialSource(
      settings: settings, timings: timings, logicalAgentID: logicalAgentID, store: store, clock: clock, log: log)
    let credentials = try await firstCredential(source, api, retry)
    log.info("Agent \(logicalAgentID) has a broker credential for the client \(credentials.current.clientID)")
    return AgentContext(
      settings: settings, timings: timings, log: log, clock: clock, loop: loop, metadata: metadata ?? InstanceMetadata(),
      logicalAgentID: logicalAgentID, credentials: credentials, stop: stopRequest)
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
