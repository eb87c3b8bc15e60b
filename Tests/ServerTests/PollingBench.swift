import FleetProtocol
import HTTP
import HTTPServing
import MySQL
import ServiceRuntime
import TestSupport

@testable import Server

/// A front over real HTTP on a real database, and v4 agents that call it.
struct PollingBench: Sendable {
  let database: FleetDatabase
  let token: String
  let broker: Lock<BrokerState>
  let deletedQueues: Lock<[String]>
  let lines: Lock<[String]>
  private let client: HTTPClient
  private let port: Int

  static func run(_ body: @escaping @Sendable (PollingBench) async throws -> Void) async throws {
    let keys = try await LocalServices.shared().keysDirectory
    try await FleetDatabase.with { database in
      let lines = Lock<[String]>([])
      let logger = Logger(level: .debug) { line in lines.withLock { $0.append(line) } }
      let broker = Lock(BrokerState.connected)
      let deleted = Lock<[String]>([])
      let terms = CredentialDesk.Terms(
        brokers: ["amqp://broker:5672"], virtualHost: "spot-optimizer", lifetime: .seconds(3600), heartbeatInterval: .seconds(30))
      let front = try Front(
        HTTPServerConfiguration(port: 0),
        Front.Parts(
          pool: database.pool, credentials: try CredentialDesk(keysDirectory: keys, terms: terms, logger: logger),
          authFailures: AuthFailureRecorder(database.events, logger: logger), clock: FleetClock(database.pool, logger: logger),
          broker: { broker.withLock { $0 } }, logger: logger, deleteQueue: { name in deleted.withLock { $0.append(name) } }))
      let client = HTTPClient(userAgent: "test")
      defer { client.close() }
      let token = try await database.clients.create(id: "c1", name: "One", email: nil).account.token
      let bench = PollingBench(
        database: database, token: token, broker: broker, deletedQueues: deleted, lines: lines, client: client, port: front.port)
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { await front.run() }
        group.addTask {
          try await body(bench)
          await front.stop()
        }
        try await group.waitForAll()
      }
    }
  }

  struct Answer: Sendable {
    let status: Int
    let body: JSONValue
    let text: String
  }

  /// Sends a call with the client's token, unless another header is given.
  @discardableResult
  func send(_ method: String, _ path: String, _ body: String = "", header: String? = nil) async throws -> Answer {
    let headers: HTTPHeaders = ["Content-Type": "application/json", "Authorization": header ?? "Bearer \(token)"]
    let request = HTTPClientRequest(method: method, url: "http://127.0.0.1:\(port)\(path)", headers: headers, body: Array(body.utf8))
    let response = try await client.send(request)
    let value = response.body.isEmpty ? JSONValue.null : try WireCoding.decodeJSON(JSONValue.self, from: response.body)
    return Answer(status: response.status, body: value, text: String(decoding: response.body, as: UTF8.self))
  }

  /// What a v4 agent sends to register.
  func registration(_ name: String) -> String {
    """
    {"client_token":"\(token)","hostname":null,"logical_agent_id":"\(name)","instance_id":"i-1","instance_type":"c5.large",\
    "region":"us-east-1","az":"us-east-1a","agent_version":"4.0.1","mode":"spot"}
    """
  }

  /// Registers a v4 agent and returns its id.
  func register(_ name: String) async throws -> String {
    let answer = try await send("POST", "/api/agents/register", registration(name))
    guard answer.status == 200, case .string(let id)? = answer.body["agent_id"] else {
      throw NotRegistered(name: "\(name): \(answer.text)")
    }
    return id
  }

  /// The ids in the answer to a poll.
  func poll(_ agentID: String) async throws -> [String] {
    guard case .array(let commands) = try await send("GET", "/api/agents/\(agentID)/pending-commands").body else { return ["no array"] }
    return commands.map { if case .string(let id)? = $0["id"] { id } else { "no id" } }
  }

  /// A heartbeat as v4 agents send it.
  @discardableResult
  func beat(_ agentID: String, _ status: String = "online") async throws -> Answer {
    try await send("POST", "/api/agents/\(agentID)/heartbeat", #"{"status":"\#(status)","monitored_instances":["i-1"],"mode":null}"#)
  }

  /// Writes a command; returns its id.
  func command(
    _ agentID: String, _ type: String = "switch", _ parameters: JSONValue = .object([:]), priority: Int = CommandPriority.normal
  ) async throws -> String {
    try await database.commands.insert(agentID: agentID, commandType: type, parameters: parameters, priority: priority)
  }

  func status(_ id: String) async throws -> StoredCommand {
    guard let command = try await database.commands.find(id: id) else { throw NotRegistered(name: "command \(id)") }
    return command
  }

  /// The types of the events of a command or an agent, in their order.
  func events(of subject: String) async throws -> [String] {
    try await database.pool.withConnection { connection in
      try await connection.query("SELECT type FROM fleet_events WHERE subject = ? ORDER BY seq", [.text(subject)])
    }.map { try $0.string("type") }
  }

  func logged(_ text: String) -> Bool { lines.withLock { $0.contains { $0.contains(text) } } }
}
