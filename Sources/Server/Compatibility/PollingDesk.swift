import AMQP
import FleetProtocol
import HTTP
import HTTPServing
import MySQL
import ServiceRuntime

/// Answers v4 agents, which poll over HTTP: each call is translated to what its AMQP twin does to the same tables, so that there is one lifecycle, one set of
/// events and one store of results.
///
/// An agent that has moved to AMQP is left alone: heartbeats and polls in its name come from an old process and are answered without effect; only a
/// registration moves it back. What an old process still has to say, that it ran a command or that its instance is about to end, is taken all the same.
struct PollingDesk: Sendable {
  /// What the desk needs of the broker.
  struct Broker: Sendable {
    /// How the process's connection to it is.
    var state: @Sendable () async -> BrokerState
    /// Deletes the queue of an agent that polls from now on.
    var deleteQueue: @Sendable (String) async throws -> Void
    /// Wakes dispatchers, relays and rollouts; best effort, for they look by themselves once a second.
    var wakeUp: @Sendable () async -> Void
  }

  /// Longest body of a report that is kept, in bytes of JSON.
  static let reportBytes = 16 * 1024

  private struct Limits {
    /// Warnings that an old process still speaks for an agent that has moved, per agent.
    var movedAgents = RefusalLimiter(perSource: 1, altogether: 200, window: .seconds(3600))
    /// Reports that are kept, per agent and kind. Prices come every few minutes from everybody and are news for a while only.
    var pricing = RefusalLimiter(perSource: 1, altogether: 5000, window: .seconds(3600))
    var reports = RefusalLimiter(perSource: 60, altogether: 20_000, window: .seconds(3600))
  }

  let agents: AgentStore
  let commands: CommandStore
  let events: SystemEventStore
  let notices: NoticeRecorder
  let clock: FleetClock
  let broker: Broker
  let logger: Logger
  private let heartbeats: HeartbeatGatherer
  private let limits = Lock(Limits())

  init(_ pool: Pool, agents: AgentStore, clock: FleetClock, broker: Broker, logger: Logger) {
    self.agents = agents
    commands = CommandStore(pool)
    events = SystemEventStore(pool)
    notices = NoticeRecorder(store: agents, logger: logger)
    self.clock = clock
    self.broker = broker
    self.logger = logger
    heartbeats = HeartbeatGatherer(agents)
  }

  /// The answer to a call whose token is that of `account`, an active client. Throws `FrontRefusal` and what the database throws.
  func answer(_ call: PollingCall, _ request: HTTPRequest, _ account: Account) async throws -> HTTPResponse {
    switch call {
    case .register: try await register(request, account)
    case .heartbeat(let agentID): try await heartbeat(agentID, request, account)
    case .pendingCommands(let agentID): try await pendingCommands(try await agent(agentID, account), request)
    case .executed(let agentID, let commandID): try await executed(commandID, try await agent(agentID, account), request)
    case .notice(let agentID, let notice): try await take(notice, try await agent(agentID, account), request)
    case .report(let agentID, let report): try await keep(report, try await agent(agentID, account), request)
    case .replicas(let agentID): replicas(of: try await agent(agentID, account))
    }
  }

  // MARK: - Registration and heartbeats

  private func register(_ request: HTTPRequest, _ account: Account) async throws -> HTTPResponse {
    let (registration, address) = try registration(request, account)
    let before = try await agents.find(address)
    if let before, before.queue != nil, case .disconnected(let reason) = await broker.state() {
      // Its queue has to go, or a program that still consumes it runs what is polled here too.
      throw FrontRefusal(
        response: .error(503, "Broker unavailable"),
        reason: "agent \(before.id) '\(address.logicalAgentID)' of client \(account.id) cannot move back to HTTP: \(reason)")
    }
    guard case .stored(let row, let previousQueue) = try await agents.store(registration, from: address, over: .http) else {
      // Only over AMQP does one process give way to another.
      throw FrontRefusal(.anotherAgent, reason: "'\(address.logicalAgentID)' of client \(account.id) is another process's")
    }
    if let previousQueue {
      do {
        try await broker.deleteQueue(previousQueue)
      } catch {
        logger.error(
          "Queue \(previousQueue) of agent \(row.id) '\(address.logicalAgentID)', which polls over HTTP from now on, could not be deleted: \(error)"
            + " - delete it before a program consumes it again: rabbitmqctl delete_queue '\(previousQueue)'")
      }
      await broker.wakeUp()
    }
    logger.info(
      "Registered agent \(row.id) '\(address.logicalAgentID)' of client \(account.id) over HTTP"
        + " (instance \(registration.instanceID)\(previousQueue.map { ", moved back from queue \($0)" } ?? ""))")
    return try json([
      "agent_id": .string(row.id), "client_id": .string(account.id),
      "config": try WireCoding.decodeJSON(JSONValue.self, from: try WireCoding.encode(row.config)),
    ])
  }

  private func registration(_ request: HTTPRequest, _ account: Account) throws -> (RegistrationRequest, AgentAddress) {
    var fields = try fields(of: request)
    let token = fields.text("client_token").trimmingWhitespace()
    if fields.areSound, !isSameSecret(account.token, token) {
      fields.refuse("client_token", "is not the token of the Authorization header")
    }
    let registration = RegistrationRequest(
      logicalAgentID: fields.text("logical_agent_id"), hostname: fields.optionalText("hostname"),
      instanceID: fields.text("instance_id"), instanceType: fields.text("instance_type"), region: fields.text("region"),
      az: fields.text("az"), amiID: fields.optionalText("ami_id"), agentVersion: fields.optionalText("agent_version"),
      mode: fields.optionalWord("mode") ?? .unknown, privateIP: fields.optionalText("private_ip"),
      publicIP: fields.optionalText("public_ip"), sessionID: randomUUID(), sentAt: clock.now())
    try check(fields)
    do {
      try registration.validate()
      return (registration, try AgentAddress(clientID: account.id, logicalAgentID: registration.logicalAgentID))
    } catch let error as MessageError {
      throw FrontRefusal(error)
    } catch let error as ConfigurationError {
      throw FrontRefusal(MessageError(field: "logical_agent_id", problem: "\(error.problem); \(error.remedy)"))
    }
  }

  private func heartbeat(_ agentID: String, _ request: HTTPRequest, _ account: Account) async throws -> HTTPResponse {
    var fields = try fields(of: request)
    // A v4 agent knows no generation; the field is for the twin's checks only.
    let body = Heartbeat(
      agentID: agentID, status: fields.word("status", default: .online), monitoredInstances: fields.texts("monitored_instances"),
      instanceID: fields.optionalText("instance_id"), instanceType: fields.optionalText("instance_type"),
      mode: fields.optionalWord("mode"), az: fields.optionalText("az"), generation: 1, sentAt: clock.now())
    try check(fields)
    guard agentID.utf8.count <= MessageLimits.identifierBytes else { throw unknownAgent(agentID, account) }
    do throws(MessageError) {
      try body.validate()
    } catch {
      throw FrontRefusal(error)
    }
    switch try await heartbeats.store(PolledHeartbeat(agentID: agentID, clientID: account.id, body: body)) {
    case .stored: break
    case .moved(let agent): await tellOfOldProcess(agent, request)
    case .unknownAgent: throw unknownAgent(agentID, account)
    }
    return success
  }

  // MARK: - Commands

  private func pendingCommands(_ agent: PollingAgent, _ request: HTTPRequest) async throws -> HTTPResponse {
    guard agent.polls else {
      await tellOfOldProcess(agent, request)
      return .json(200, Array("[]".utf8))
    }
    let (found, areNew) = try await commands.poll(agent)
    if areNew { logger.info("Agent \(agent.id) '\(agent.address.logicalAgentID)' has fetched its commands: \(Self.names(found))") }
    return .json(200, try WireCoding.encodeJSON(found.map(\.json), limit: 1 << 20))
  }

  private static func names(_ commands: [PolledCommand]) -> String {
    commands.isEmpty ? "none" : commands.map { "\($0.id) '\($0.commandType)'" }.joined(separator: ", ")
  }

  private func executed(_ commandID: String, _ agent: PollingAgent, _ request: HTTPRequest) async throws -> HTTPResponse {
    var fields = try fields(of: request)
    let succeeded = fields.flag("success")
    let message = fields.text("message")
    try check(fields)
    let now = clock.now()
    let began = commandID.utf8.count <= MessageLimits.identifierBytes ? try await commands.find(id: commandID)?.deliveredAt : nil
    let result = CommandResult(
      commandID: commandID, agentID: agent.id, status: succeeded ? .succeeded : .failed, output: .object(["message": .string(message)]),
      error: succeeded ? nil : cut(message, to: MessageLimits.errorBytes), startedAt: min(began ?? now, now), finishedAt: now, sentAt: now)
    switch try await commands.finish(result, from: agent.address) {
    case .accepted: logger.info("Command \(commandID) \(result.status.rawValue) on agent \(agent.id) '\(agent.address.logicalAgentID)'")
    case .duplicate: logger.debug("Command \(commandID) was further before; the repeated report changes nothing")
    case .unknown, .refused:
      throw FrontRefusal(response: .error(404, "Command not found"), reason: "agent \(agent.id) has no such command")
    case .unusable(let problem): throw FrontRefusal(MessageError(field: "body", problem: "cannot be stored: \(problem)"))
    }
    return success
  }

  /// Replicas are started by commands; none is kept here as launching.
  private func replicas(of _: PollingAgent) -> HTTPResponse { .json(200, Array("[]".utf8)) }

  // MARK: - Notices and reports

  private func take(_ kind: PollingCall.Notice, _ agent: PollingAgent, _ request: HTTPRequest) async throws -> HTTPResponse {
    var fields = try fields(of: request)
    let instanceID = fields.text("instance_id")
    let time = fields.time(kind == .terminationImminent ? "termination_time" : "detected_at")
    var action: String?
    if kind == .terminationImminent { action = fields.optionalText("action") ?? "terminate" }
    try check(fields)
    let now = clock.now()
    let notice = SpotNotice(
      agentID: agent.id, kind: kind == .terminationImminent ? .interruption : .rebalance, action: action, time: time ?? now,
      instanceID: instanceID, sentAt: now)
    do throws(MessageError) {
      try notice.validate()
    } catch {
      throw FrontRefusal(error)
    }
    switch try await notices.record(notice, from: agent.address) {
    case .unknownAgent: throw FrontRefusal(.unknownAgent, reason: "no agent \(agent.id)")
    case .recorded: await broker.wakeUp()
    case .repeated, .ofFormerInstance: break
    }
    // What is to happen is the operator's to say, by reactions, whose commands the agent fetches: so never "switch" by itself.
    return kind == .terminationImminent ? success : try json(["success": true, "action": "monitor"])
  }

  private func keep(_ report: PollingCall.Report, _ agent: PollingAgent, _ request: HTTPRequest) async throws -> HTTPResponse {
    let content = try fields(of: request).all
    let type = "agent_\(report.rawValue.split(separator: "-").joined(separator: "_"))"
    let source = "\(type) \(agent.id)"
    let decision = limits.withLock { limits in
      report == .pricing ? limits.pricing.decide(source, at: .now) : limits.reports.decide(source, at: .now)
    }
    guard case .write = decision else { return success }
    let isWhole = request.body.count <= Self.reportBytes
    try await events.insert(
      SystemEvent(
        type, clientID: agent.address.clientID, agentID: agent.id, source: request.remoteAddress,
        message: "A \(report.rawValue) of agent '\(printable(agent.address.logicalAgentID))'"
          + (isWhole ? "" : ", \(request.body.count) bytes, more than the \(Self.reportBytes) that are kept"),
        metadata: isWhole ? content : JSONValue?.none))
    return success
  }

  // MARK: - What several calls need

  private func agent(_ id: String, _ account: Account) async throws -> PollingAgent {
    // Another client's agent is as unknown as none.
    guard id.utf8.count <= MessageLimits.identifierBytes, let agent = try await agents.polling(ids: [id])[id],
      agent.address.clientID == account.id
    else { throw unknownAgent(id, account) }
    return agent
  }

  private func unknownAgent(_ id: String, _ account: Account) -> FrontRefusal {
    FrontRefusal(.unknownAgent, reason: "client \(account.id) has no agent '\(printable(String(id.prefix(64))))'")
  }

  private func tellOfOldProcess(_ agent: PollingAgent, _ request: HTTPRequest) async {
    guard case .write = limits.withLock({ $0.movedAgents.decide(agent.id, at: .now) }) else { return }
    let message =
      "An old agent at \(request.remoteAddress) still polls as agent \(agent.id) '\(printable(agent.address.logicalAgentID))' of client"
      + " \(agent.address.clientID), which has moved to AMQP; it gets no commands - stop it"
    logger.warning(message)
    do {
      try await events.insert(
        SystemEvent(
          "old_agent_polls", severity: .warning, clientID: agent.address.clientID, agentID: agent.id, source: request.remoteAddress,
          message: message))
    } catch {
      // The log has it, and the answer must not depend on it.
      logger.debug("The event old_agent_polls of agent \(agent.id) could not be stored: \(error)")
    }
  }

  private func fields(of request: HTTPRequest) throws -> PollingFields {
    do throws(MessageError) {
      return try PollingFields(request.body)
    } catch {
      throw FrontRefusal(error)
    }
  }

  private func check(_ fields: PollingFields) throws {
    guard !fields.areSound else { return }
    throw FrontRefusal(details: fields.problems)
  }

  private var success: HTTPResponse { .json(200, Array(#"{"success":true}"#.utf8)) }

  private func json(_ members: [String: JSONValue]) throws -> HTTPResponse {
    .json(200, try WireCoding.encodeJSON(JSONValue.object(members)))
  }

  /// By bytes, between characters.
  private func cut(_ text: String, to bytes: Int) -> String {
    var cut = text
    while cut.utf8.count > bytes { cut = String(cut.prefix(max(1, cut.count - (cut.utf8.count - bytes + 3) / 4))) }
    return cut
  }
}
