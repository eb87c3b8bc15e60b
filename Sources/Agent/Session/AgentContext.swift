import AMQP
import FleetProtocol
import ServiceRuntime

/// What the parts of a running agent share; it outlives connections.
final class AgentContext: Sendable {
  let settings: AgentSettings
  let timings: AgentTimings
  let log: Logger
  let report: ErrorReport
  let seal: MessageSeal
  let clock: FleetClock
  let loop: EventLoop
  let hostname: String
  let metadata: InstanceMetadata
  let logicalAgentID: String
  let credentials: CredentialKeeper
  let membership: Observed<Membership>
  let started = ContinuousClock.now
  /// When heartbeats are due.
  let heartbeats = Lock(HeartbeatSchedule())
  /// Built-in commands that run or have been run.
  let builtIns = Lock(CommandMemory())
  /// How many deliveries are being answered at once.
  let commandsInHand = Observed(0)
  /// Looks out for the end of a spot instance; `nil` off EC2.
  let notices: SpotNoticeWatch?
  /// Commands for executables: what was taken over, what runs, what is to be reported.
  let desk: CommandDesk
  /// What publishes on the channel in use; `nil` while there is none.
  let publisher = Lock<InboxPublisher?>(nil)
  /// The configuration the server gave.
  let configuration = Lock(AppliedConfiguration())
  /// Whether the agent was asked to stop.
  let stop: Observed<Bool>

  init(
    settings: AgentSettings, timings: AgentTimings, log: Logger, clock: FleetClock, loop: EventLoop, metadata: InstanceMetadata,
    logicalAgentID: String, credentials: CredentialKeeper, desk: CommandDesk, stop: Observed<Bool>
  ) {
    self.settings = settings
    self.timings = timings
    self.log = log
    report = ErrorReport(serverURL: settings.serverURL.description, tokenPreview: settings.clientToken.preview)
    seal = MessageSeal(token: settings.clientToken)
    self.clock = clock
    self.loop = loop
    hostname = hostName()
    self.metadata = metadata
    self.logicalAgentID = logicalAgentID
    self.credentials = credentials
    if let endpoint = settings.metadataEndpoint, let instanceID = metadata.instanceID {
      notices = SpotNoticeWatch(endpoint: endpoint, instanceID: instanceID, timings: timings)
    } else {
      notices = nil
    }
    self.desk = desk
    self.stop = stop
    membership = Observed(Membership(sessionID: randomUUID()))
  }

  /// The agent's name in log lines.
  var name: String {
    membership.value.agentID.map { "Agent \($0) (\(logicalAgentID))" } ?? "Agent \(logicalAgentID)"
  }

  /// A fresh count of failures.
  func failures() -> FailureSeries { FailureSeries(report, ceiling: timings.retryCeiling) }
}
