import FleetProtocol
import MySQL
import ServiceRuntime

/// What became of a registration.
public enum RegistrationOutcome: Sendable, Equatable {
  /// The agent stands so in its row. Its queue must be declared, which does no harm when it is there already (the same registration may
  /// come twice), and the queue of the generation before deleted, if there was one.
  case registered(RegisteredAgent, previousQueue: String?)
  /// Another process runs under this name and is alive; nothing was changed.
  case refused(holder: RegistrationHolder)
}

/// A registered agent as the answer to it needs it.
public struct RegisteredAgent: Sendable, Equatable {
  /// `agents.id`.
  public let id: String
  /// The queue to declare and to tell the agent.
  public let queue: String
  /// The queue's generation.
  public let generation: Int
  /// The configuration that holds for it.
  public let config: AgentConfiguration
  /// Its version.
  public let configVersion: Int
}

/// Who holds a name that another process asked for.
public struct RegistrationHolder: Sendable, Equatable {
  /// `agents.id`.
  public let agentID: String
  /// Where it runs.
  public let instanceID: String?
}

extension AgentStore {
  /// Stores a registration in one transaction: row locked, generation counted up, commands of the previous queue pending again.
  ///
  /// Throws `MessageError` for a name that differs from another agent's by spaces at its end only, which the collation cannot tell apart,
  /// `StoreError` for a row whose configuration cannot be read, and `MySQLError`.
  public func register(_ request: RegistrationRequest, from address: AgentAddress) async throws -> RegistrationOutcome {
    switch try await store(request, from: address, over: .amqp) {
    case .refused(let holder): return .refused(holder: holder)
    case .stored(let row, let previousQueue):
      guard let queue = row.queue else {
        throw StoreError(table: "agents", id: row.id, problem: "the row has no queue after a registration over AMQP")
      }
      let agent = RegisteredAgent(
        id: row.id, queue: queue, generation: row.generation, config: row.config, configVersion: row.configVersion)
      return .registered(agent, previousQueue: previousQueue)
    }
  }

  /// The one way in for both transports: what differs is the queue, and who gives way to whom.
  func store(
    _ request: RegistrationRequest, from address: AgentAddress, over transport: AgentTransport
  ) async throws -> StoredRegistration {
    do {
      return try await attempt(request, address, transport)
    } catch let error as MySQLError where error.isDuplicateKey {
      // Another worker made the row after we had looked: now it is there to be locked.
      return try await attempt(request, address, transport)
    }
  }

  private func attempt(
    _ request: RegistrationRequest, _ address: AgentAddress, _ transport: AgentTransport
  ) async throws -> StoredRegistration {
    let timeout = heartbeatTimeout
    let (outcome, announcement) = try await pool.transaction { connection -> (StoredRegistration, Announcer.Announcement) in
      let now = try await Self.now(on: connection)
      let rows = try await connection.query(
        "SELECT \(RegistrationState.columns) FROM agents WHERE client_id = ? AND logical_agent_id = ? FOR UPDATE",
        [.text(address.clientID), .text(address.logicalAgentID)])
      guard let row = rows.first else {
        let id = randomUUID()
        let key = try await Self.insert(request, address, transport, id, now, timeout, on: connection)
        try await Self.storeAgentTags(request.tags ?? [:], agentKey: key, on: connection)
        let announcement = try await Self.announceRegistration(id, before: nil, on: connection)
        return (.stored(try await RegistrationRow(id, on: connection), previousQueue: nil), announcement)
      }
      let state = try RegistrationState(row)
      try state.checkName(address)
      switch state.decision(for: request, over: transport, now: now, heartbeatTimeout: timeout) {
      case .conflict:
        return (.refused(holder: RegistrationHolder(agentID: state.id, instanceID: state.instanceID)), Announcer.Announcement())
      case .repeated:
        return (.stored(try await RegistrationRow(state.id, on: connection), previousQueue: nil), Announcer.Announcement())
      case .newGeneration:
        let generation = state.nextGeneration(over: transport)
        try await Self.update(request, address, transport, state.id, generation, now, timeout, on: connection)
        try await Self.storeAgentTags(request.tags ?? [:], agentKey: state.key, on: connection)
        _ = try await CommandStore.requeueForNewGeneration(agentID: state.id, on: connection)
        let announcement = try await Self.announceRegistration(state.id, before: state, on: connection)
        return (.stored(try await RegistrationRow(state.id, on: connection), previousQueue: state.queue), announcement)
      }
    }
    announcer.committed(announcement)
    return outcome
  }

  static func now(on connection: Connection) async throws -> Timestamp {
    guard let row = try await connection.query("SELECT NOW(3) AS now").first else { return .now() }
    return try row.timestamp("now")
  }

  private static func insert(
    _ request: RegistrationRequest, _ address: AgentAddress, _ transport: AgentTransport, _ id: String, _ now: Timestamp,
    _ heartbeatTimeout: Duration, on connection: Connection
  ) async throws -> Int64 {
    let result = try await connection.execute(
      """
      INSERT INTO agents (id, client_id, logical_agent_id, hostname, instance_id, instance_type, region, az, ami_id, agent_version, mode, \
      private_ip, public_ip, status, transport, last_heartbeat_at, session_id, registration_sent_at, registered_at, queue, generation) \
      VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1)
      """,
      [.text(id), .text(address.clientID), .text(address.logicalAgentID)] + machine(request)
        + state(request, address, transport, generation: 1, now, heartbeatTimeout))
    return Int64(result.lastInsertID)
  }

  /// The answer tells the agent the configuration of now, so from here on it counts as applied until the agent says otherwise.
  private static func update(
    _ request: RegistrationRequest, _ address: AgentAddress, _ transport: AgentTransport, _ id: String, _ generation: Int,
    _ now: Timestamp, _ heartbeatTimeout: Duration, on connection: Connection
  ) async throws {
    try await connection.execute(
      """
      UPDATE agents SET hostname = ?, instance_id = ?, instance_type = ?, region = ?, az = ?, ami_id = ?, agent_version = ?, mode = ?, \
      private_ip = ?, public_ip = ?, status = ?, transport = ?, \
      last_heartbeat_at = GREATEST(COALESCE(last_heartbeat_at, TIMESTAMP'1970-01-01 00:00:01'), CAST(? AS DATETIME(3))), \
      session_id = ?, registration_sent_at = ?, registered_at = ?, queue = ?, generation = ?, applied_config_version = config_version \
      WHERE id = ?
      """,
      machine(request) + state(request, address, transport, generation: generation, now, heartbeatTimeout)
        + [.int(Int64(generation)), .text(id)])
  }

  private static func machine(_ request: RegistrationRequest) -> [Value] {
    [
      Value(request.hostname), .text(request.instanceID), .text(request.instanceType), .text(request.region), .text(request.az),
      Value(request.amiID), Value(request.agentVersion), .text(request.mode.rawValue), Value(request.privateIP), Value(request.publicIP),
    ]
  }

  /// Status, transport, heartbeat, session, times and queue. A registration that lay in the broker for longer than the time-out is no sign of life now.
  private static func state(
    _ request: RegistrationRequest, _ address: AgentAddress, _ transport: AgentTransport, generation: Int, _ now: Timestamp,
    _ heartbeatTimeout: Duration
  ) -> [Value] {
    let sentAt = min(request.sentAt, now).storable
    let isRecent = now.since(sentAt) <= heartbeatTimeout
    return [
      .text((isRecent ? AgentStatus.online : .offline).rawValue), .text(transport.rawValue), .timestamp(sentAt), .text(request.sessionID),
      .timestamp(sentAt), .timestamp(now), transport == .amqp ? .text(address.queueName(generation: generation)) : .null,
    ]
  }
}

/// What a row says about who registered before, and what follows for the next registration.
struct RegistrationState: Sendable {
  static let columns = """
    agent_key, id, client_id, logical_agent_id, status, session_id, registration_sent_at, registered_at, last_heartbeat_at, generation, queue, \
    instance_id, transport
    """

  enum Decision: Sendable, Equatable { case newGeneration, repeated, conflict }

  var key: Int64 = 0
  var id = ""
  var clientID = ""
  var logicalAgentID = ""
  var status = AgentStatus.offline.rawValue
  var sessionID: String?
  var sentAt: Timestamp?
  var registeredAt: Timestamp?
  var lastHeartbeatAt: Timestamp?
  var generation = 0
  var queue: String?
  var instanceID: String?
  var transport = AgentTransport.amqp.rawValue

  init() {}

  init(_ row: Row) throws {
    key = Int64(try row.int("agent_key"))
    id = try row.string("id")
    clientID = try row.string("client_id")
    logicalAgentID = try row.string("logical_agent_id")
    status = try row.string("status")
    sessionID = try row.optionalString("session_id")
    // A time that cannot be read (a zero date that a lenient session wrote) is none: the registration writes a good one.
    sentAt = try? row.optionalTimestamp("registration_sent_at")
    registeredAt = try? row.optionalTimestamp("registered_at")
    lastHeartbeatAt = try? row.optionalTimestamp("last_heartbeat_at")
    generation = try row.int("generation")
    queue = try row.optionalString("queue")
    instanceID = try row.optionalString("instance_id")
    transport = try row.string("transport")
  }

  /// A process that had a queue before (`generation`) comes back to find another one alive under its name: it has to give way. So has a
  /// registration that was sent before that other one's, which is an old one delivered late or replayed. A new process takes over at once,
  /// for its predecessor is most likely dead and cannot say so. An agent that polls says nothing of a session: each of its registrations is a new process.
  func decision(
    for request: RegistrationRequest, over transport: AgentTransport = .amqp, now: Timestamp, heartbeatTimeout: Duration
  ) -> Decision {
    decision(
      sessionID: request.sessionID, generation: request.generation, sentAt: request.sentAt, over: transport, now: now,
      heartbeatTimeout: heartbeatTimeout)
  }

  /// The same of a request's parts; a `session` that is `nil` is that of a process that nobody knows yet.
  func decision(
    sessionID session: String?, generation requested: Int?, sentAt requestedAt: Timestamp, over transport: AgentTransport, now: Timestamp,
    heartbeatTimeout: Duration
  ) -> Decision {
    guard transport == .amqp, let sessionID, queue != nil || polls else { return .newGeneration }
    let isOlder = sentAt.map { requestedAt <= $0 } ?? false
    if sessionID == session { return isOlder ? .repeated : .newGeneration }
    let lastSign = [lastHeartbeatAt, registeredAt].compactMap(\.self).max()
    let isAlive = status != AgentStatus.offline.rawValue && lastSign.map { now.since($0) <= heartbeatTimeout } ?? false
    return isAlive && (requested != nil || isOlder) ? .conflict : .newGeneration
  }

  /// The collation pads: the row found may be that of another name, which differs by spaces at its end only.
  func checkName(_ address: AgentAddress) throws(MessageError) {
    guard logicalAgentID == address.logicalAgentID, clientID == address.clientID else {
      throw MessageError(
        field: "logical_agent_id",
        problem: "'\(printable(address.logicalAgentID))' differs from the agent '\(printable(logicalAgentID))' by spaces at the end only")
    }
  }

  /// The generation after this registration. While an agent polls it stays: what it has fetched and not reported is its own across its restarts
  /// (`CommandStore.poll`). Each move to the other transport counts it up, so that neither takes what the other has been given.
  func nextGeneration(over transport: AgentTransport) -> Int {
    if transport == .http, polls { return generation }
    return generation >= AgentAddress.greatestGeneration ? 1 : generation + 1
  }

  private var polls: Bool { transport == AgentTransport.http.rawValue }
}
