import FleetProtocol
import HTTP
import HTTPServing
import MySQL
import ServiceRuntime

/// Answers one request after the other; keeps nothing between them.
struct FrontHandler: Sendable {
  let parts: Front.Parts
  let monitor: HealthMonitor
  private let polling: PollingDesk

  init(parts: Front.Parts, monitor: HealthMonitor) {
    self.parts = parts
    self.monitor = monitor
    var agents = AgentStore(parts.pool, heartbeatTimeout: parts.heartbeatTimeout)
    agents.announcer = Announcer(logger: parts.logger)
    polling = PollingDesk(
      parts.pool, agents: agents, clock: parts.clock,
      broker: PollingDesk.Broker(state: parts.broker, deleteQueue: parts.deleteQueue, wakeUp: parts.wakeUp), logger: parts.logger)
  }

  private var clients: ClientStore { ClientStore(parts.pool) }
  private var agents: AgentStore { AgentStore(parts.pool) }

  func answer(_ request: HTTPRequest) async -> HTTPResponse {
    let started = ContinuousClock.now
    let route = Route(method: request.method, segments: request.pathSegments)
    var response: HTTPResponse
    do {
      response = try await respond(to: request, route)
    } catch let refusal as FrontRefusal {
      response = refusal.response
      if let reason = refusal.reason {
        parts.logger.warning("\(request.method) \(request.path) from \(request.remoteAddress) refused with \(response.status): \(reason)")
      }
    } catch let error as MySQLError {
      response = .error(503, "Database unavailable")
      parts.logger.error("\(request.method) \(request.path) from \(request.remoteAddress) answered 503: \(error)")
    } catch {
      response = .error(500, "Internal server error")
      parts.logger.error("\(request.method) \(request.path) from \(request.remoteAddress) answered 500: \(error)")
    }
    // A fleet of agents that poll every few seconds would hold all the connections there are.
    response.closesConnection = request.pathSegments.starts(with: ["api", "agents"])
    let took = started.duration(to: .now)
    parts.metrics.httpRequests.member(route.template, "\(response.status)").add()
    parts.metrics.httpRequestDuration.member(route.template).observe(took)
    parts.logger.debug(
      "\(request.method) \(request.path) from \(request.remoteAddress): \(response.status) in \(took.milliseconds) ms")
    return response
  }

  private func respond(to request: HTTPRequest, _ route: Route) async throws -> HTTPResponse {
    switch route {
    case .health: return await health()
    case .metrics:
      guard let page = parts.metricsPage else { return .error(404, "Not found") }
      return await page()
    case .brokerCredentials: return try await credentials(request)
    case .agentConfiguration(let agentID): return try await configuration(request, agentID)
    case .polling(let call): return try await polling.answer(call, request, try await authenticate(request))
    case .methodNotAllowed(let allow):
      var response = HTTPResponse.error(405, "Method not allowed")
      response.headers["Allow"] = allow
      return response
    case .notFound: return .error(404, "Not found")
    }
  }

  // MARK: - Health

  private func health() async -> HTTPResponse {
    await monitor.firstLook()
    let database = monitor.database
    let broker = await monitor.brokerConnection
    var body: [String: JSONValue] = [
      "timestamp": .string(parts.clock.now().iso8601), "version": .string(programVersion),
      "database": .string(database == .connected ? "connected" : "disconnected"),
      "broker": .string(broker == .connected ? "connected" : "disconnected"),
    ]
    // Anybody may ask, so the reasons, which name hosts and users, are in the log only.
    let away = [database == .connected ? nil : "Database unavailable", broker == .connected ? nil : "Broker unavailable"].compactMap(\.self)
    body["status"] = away.isEmpty ? "healthy" : "unhealthy"
    if !away.isEmpty { body["error"] = .string(away.joined(separator: "; ")) }
    return .json(away.isEmpty ? 200 : 503, .object(body))
  }

  // MARK: - Calls of agents

  private func credentials(_ request: HTTPRequest) async throws -> HTTPResponse {
    let account = try await authenticate(request)
    let address: AgentAddress
    do {
      let body = try WireCoding.decode(CredentialRequest.self, from: request.body)
      address = try AgentAddress(clientID: account.id, logicalAgentID: body.logicalAgentID)
    } catch let error as MessageError {
      throw FrontRefusal(error)
    } catch let error as ConfigurationError {
      throw FrontRefusal(MessageError(field: "logical_agent_id", problem: "\(error.problem); \(error.remedy)"))
    }
    let reply = try parts.credentials.reply(for: address, now: parts.clock.now())
    var response = HTTPResponse.json(200, try WireCoding.encode(reply))
    response.headers["Cache-Control"] = "no-store"
    parts.logger.info("Credential for '\(address.logicalAgentID)' of client \(account.id) until \(reply.expiresAt.iso8601)")
    return response
  }

  private func configuration(_ request: HTTPRequest, _ agentID: String) async throws -> HTTPResponse {
    let account = try await authenticate(request)
    // Another client's agent is as unknown as none.
    guard let agent = try await agents.find(id: agentID), agent.address.clientID == account.id else {
      throw FrontRefusal(.unknownAgent, reason: "client \(account.id) has no such agent")
    }
    // A v4 agent asks for it where others are told.
    if agent.transport == AgentTransport.http.rawValue, agent.appliedConfigurationVersion != agent.configurationVersion {
      try await agents.noteConfigurationTold(agent.configurationVersion, id: agent.id)
    }
    return .json(200, try WireCoding.encode(agent.configuration))
  }

  /// The client whose token the request carries. Refuses with the words of the guide, in the log and in `system_events` too.
  private func authenticate(_ request: HTTPRequest) async throws -> Account {
    guard let token = request.bearerToken else { throw await unauthorized(.missingToken, request, nil, nil) }
    guard let account = try await clients.find(token: token) else { throw await unauthorized(.invalidToken, request, token, nil) }
    guard account.isActive else { throw await unauthorized(.inactiveClient, request, token, account) }
    return account
  }

  private func unauthorized(_ status: ErrorStatus, _ request: HTTPRequest, _ token: String?, _ account: Account?) async -> FrontRefusal {
    await parts.authFailures.record(
      AuthFailure(
        status: status.code, reason: status.text, source: request.remoteAddress, endpoint: request.path, clientID: account?.id,
        token: token.map { .given($0) }))
    var response = HTTPResponse.error(status.code, status.text)
    if status.code == 401 { response.headers["WWW-Authenticate"] = "Bearer" }
    return FrontRefusal(response: response)
  }
}
