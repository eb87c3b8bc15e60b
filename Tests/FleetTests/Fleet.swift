import AMQP
import Foundation
import HTTP
import MySQL
import ServiceRuntime
import TestSupport

/// A fleet of real processes: servers and agents on a database and a vhost of their own, so that tests that run at the same time on one
/// pair of services never take each other's messages or rows.
///
/// Made by `withFleet`, which ends every process whatever happens.
final class Fleet: Sendable {
  /// The client that agents belong to unless a test says otherwise.
  static let clientID = "acme"

  let services: LocalServices
  let database: LocalServices.DatabaseLogin
  let virtualHost: String
  let token = UUID().uuidString.lowercased()
  /// For whatever programs and tests write; removed at the end.
  let folder = NSTemporaryDirectory() + "spot-optimizer-fleet-\(UUID().uuidString)"
  private let pool: Pool
  private let programs = Lock<[(name: String, program: Program)]>([])

  fileprivate init(_ services: LocalServices) async throws {
    self.services = services
    virtualHost = try await VirtualHosts.shared.take(from: services)
    database = try await services.createDatabase()
    pool = Pool(
      configuration: DatabaseConfiguration(
        host: database.host, port: UInt16(database.port), user: database.user, password: database.password, database: database.name),
      size: 2)
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  }

  // MARK: - Servers

  /// A server process.
  struct Server: Sendable {
    let program: Program
    /// Where its front listens; empty for a worker.
    let url: String
  }

  /// The server's login at the broker, in this fleet's vhost.
  var amqpURL: String { services.amqpURL.dropLast(services.virtualHost.count) + virtualHost }

  /// What a server of this fleet is told, with times short enough for tests.
  func serverEnvironment(_ more: [String: String] = [:]) -> [String: String] {
    database.environment.merging([
      "AMQP_URL": amqpURL, "SPOT_OPTIMIZER_KEYS_DIR": services.keysDirectory, "HTTP_HOST": "127.0.0.1", "HTTP_PORT": "0",
      "HEARTBEAT_INTERVAL": "1", "AGENT_HEARTBEAT_TIMEOUT": "4", "DB_POOL_SIZE": "4",
    ]) { $1 }.merging(more) { $1 }
  }

  /// Starts a server and waits until it serves: listens, and consumes.
  func startServer(role: String = "all", _ more: [String: String] = [:]) async throws -> Server {
    let program = try await run("spot-optimizer-server", ["--role", role], serverEnvironment(more))
    if role != "http" { try await program.waitForLine(containing: "Worker is consuming from", timeout: .seconds(60)) }
    guard role != "worker" else { return Server(program: program, url: "") }
    let server = Server(program: program, url: try await address(of: program))
    try await waitForBroker(of: server)
    return server
  }

  /// A server listens while its front's connection to the broker is still being made. Until that is there it is unhealthy, and an agent that starts ends.
  func waitForBroker(of server: Server) async throws {
    let client = HTTPClient(userAgent: "test")
    defer { client.close() }
    try await eventually("the server has its broker") {
      let health = try await client.send(HTTPClientRequest(url: "\(server.url)/health"))
      return String(decoding: health.body, as: UTF8.self).contains(#""broker":"connected""#)
    }
  }

  /// Where a server's front listens, by its own word.
  func address(of program: Program) async throws -> String {
    let words = try await program.waitForLine(containing: "Listening on ", timeout: .seconds(60)).split(separator: " ")
    return String(words.last ?? "")
  }

  // MARK: - Clients and agents

  /// A client as the guide's statement makes it.
  func createClient(_ id: String = clientID, token: String? = nil, isActive: Bool = true) async throws {
    try await execute(
      "INSERT INTO clients (id, name, email, client_token, is_active) VALUES (?, ?, 'admin@company.com', ?, ?)",
      [.text(id), .text("Company \(id)"), .text(token ?? self.token), .int(isActive ? 1 : 0)])
  }

  /// What an agent of this fleet is told.
  func agentEnvironment(_ name: String, _ server: Server, token: String? = nil, _ more: [String: String] = [:]) -> [String: String] {
    [
      "SPOT_OPTIMIZER_SERVER_URL": server.url, "SPOT_OPTIMIZER_CLIENT_TOKEN": token ?? self.token, "LOGICAL_AGENT_ID": name,
      "AWS_EC2_METADATA_DISABLED": "true", "SPOT_OPTIMIZER_STATE_DIR": "\(folder)/\(name)",
    ].merging(more) { $1 }
  }

  /// Starts an agent; returns at once, for agents that are refused.
  func launchAgent(_ name: String, _ server: Server, token: String? = nil, _ more: [String: String] = [:]) async throws -> Program {
    try await run("spot-optimizer-agent", [], agentEnvironment(name, server, token: token, more))
  }

  /// Starts an agent and waits until it takes commands.
  func startAgent(_ name: String, _ server: Server, _ more: [String: String] = [:]) async throws -> Program {
    let program = try await launchAgent(name, server, more)
    try await program.waitForLine(containing: "takes its commands from the queue", timeout: .seconds(60))
    return program
  }

  /// Starts one of the project's programs, to be ended with the fleet.
  func run(_ executable: String, _ arguments: [String], _ environment: [String: String]) async throws -> Program {
    let program = try await Program(executable, arguments, environment: environment)
    programs.withLock { $0.append((executable, program)) }
    return program
  }

  // MARK: - The database

  @discardableResult
  func execute(_ sql: String, _ values: [Value] = []) async throws -> Int {
    try await withConnection { try await $0.execute(sql, values).matchedRows }
  }

  func rows(_ sql: String, _ values: [Value] = []) async throws -> [Row] {
    try await withConnection { try await $0.query(sql, values) }
  }

  /// Once more when a database that was stopped has left a dead connection behind.
  private func withConnection<Result: Sendable>(_ body: @Sendable (MySQL.Connection) async throws -> Result) async throws -> Result {
    do {
      return try await pool.withConnection(body)
    } catch let error as MySQLError where error.isConnectionLost {
      return try await pool.withConnection(body)
    }
  }

  /// A query for one number called `n`.
  func number(_ sql: String, _ values: [Value] = []) async throws -> Int { try await rows(sql, values).first?.int("n") ?? 0 }

  /// The row of one agent.
  func agent(_ name: String) async throws -> AgentRow? {
    try await rows(
      "SELECT id, status, generation, queue, last_heartbeat_at FROM agents WHERE logical_agent_id = ?", [.text(name)]
    ).first.map(AgentRow.init)
  }

  /// Waits until an agent stands as `condition` says, and returns its row.
  @discardableResult
  func waitForAgent(_ name: String, _ what: String, timeout: Duration = .seconds(60), _ condition: (AgentRow) -> Bool) async throws
    -> AgentRow
  {
    try await eventualValue("agent \(name) \(what)", timeout: timeout) {
      guard let row = try await agent(name), condition(row) else { return nil }
      return row
    }
  }

  // MARK: - Commands

  /// Writes a command by bare SQL, as an operator or a program of theirs would; returns its id.
  func insertCommand(_ type: String = "ping", for name: String, parameters: String? = nil) async throws -> String {
    let id = UUID().uuidString.lowercased()
    let inserted = try await execute(
      """
      INSERT INTO commands (id, agent_id, command_type, parameters) SELECT ?, id, ?, ? FROM agents WHERE logical_agent_id = ?
      """, [.text(id), .text(type), Value(parameters), .text(name)])
    guard inserted == 1 else { throw FleetFailure(description: "\(inserted) agents are called \(name)") }
    return id
  }

  /// Waits until a command has its result.
  @discardableResult
  func result(of id: String, timeout: Duration = .seconds(60)) async throws -> CommandRow {
    try await eventualValue("command \(id) has its result", timeout: timeout) {
      let row = try await rows(
        "SELECT status, output, error, attempts, TIMESTAMPDIFF(MICROSECOND, created_at, finished_at) AS took FROM commands WHERE id = ?",
        [.text(id)]
      ).first.map(CommandRow.init)
      guard let row, !["pending", "queued"].contains(row.status) else { return nil }
      return row
    }
  }

  // MARK: - The broker

  /// Runs `body` on a channel of the server's login in this fleet's vhost.
  func withChannel<Result: Sendable>(_ body: (Channel) async throws -> Result) async throws -> Result {
    let url = try BrokerURL(amqpURL, name: "AMQP_URL")
    let connection = try await AMQP.Connection.open(
      ConnectionConfiguration(url, defaultVirtualHost: virtualHost, connectionName: "test"), on: Self.loop)
    do {
      let result = try await body(try await connection.openChannel())
      await connection.close()
      return result
    } catch {
      await connection.close()
      throw error
    }
  }

  private static let loop = EventLoop(name: "fleet-tests")

  /// Messages that are ready in a queue.
  func depth(of queue: String) async throws -> Int { try await withChannel { try await $0.queueStatus(queue).messageCount } }

  // MARK: - The end

  /// Kills what still runs.
  fileprivate func end() async throws {
    let running = programs.withLock { $0 }
    for (_, program) in running { program.send(SIGKILL) }
    for (_, program) in running { try await program.waitForExit() }
    await pool.close()
    // Nothing depends on the folder being gone.
    try? FileManager.default.removeItem(atPath: folder)
  }

  /// The end of what every program wrote, for a failure's text.
  fileprivate var logs: String {
    programs.withLock { $0 }.map { name, program in
      "--- \(name) \(program.pid)\(program.exitStatus.map { " (\($0))" } ?? ""):\n" + program.lines.suffix(60).joined(separator: "\n")
    }.joined(separator: "\n")
  }
}

/// What the tests look at of a row of `agents`.
struct AgentRow: Sendable {
  let id: String
  let status: String
  let generation: Int
  let queue: String?
  let lastHeartbeatAt: Timestamp?

  init(_ row: Row) throws {
    id = try row.string("id")
    status = try row.string("status")
    generation = try row.int("generation")
    queue = try row.optionalString("queue")
    lastHeartbeatAt = try row.optionalTimestamp("last_heartbeat_at")
  }
}

/// What the tests look at of a row of `commands`.
struct CommandRow: Sendable {
  let status: String
  let output: String?
  let error: String?
  let attempts: Int
  /// From the row's writing to its end by the agent's clock.
  let took: Duration?

  init(_ row: Row) throws {
    status = try row.string("status")
    output = try row.optionalString("output")
    error = try row.optionalString("error")
    attempts = try row.int("attempts")
    took = try row.optionalInt("took").map { .microseconds($0) }
  }
}

/// A failure of a test with the logs of everything that ran in it.
struct FleetFailure: Error, CustomStringConvertible {
  let description: String
}

/// Runs a test on a fleet of its own, a few tests at a time, and ends all its processes whatever happens.
///
/// - Parameter services: the pair to use; the one that all tests share unless the test stops or changes its servers.
func withFleet(on services: LocalServices? = nil, _ body: (Fleet) async throws -> Void) async throws {
  try await places.take { try await withFleetInPlace(on: services, body) }
}

private let places = Places(4)

private func withFleetInPlace(on services: LocalServices?, _ body: (Fleet) async throws -> Void) async throws {
  let shared: LocalServices
  if let services { shared = services } else { shared = try await LocalServices.shared() }
  let fleet = try await Fleet(shared)
  do {
    try await body(fleet)
  } catch {
    let failure = FleetFailure(description: "\(error)\n\(fleet.logs)")
    try await fleet.end()
    throw failure
  }
  try await fleet.end()
}

extension Program {
  /// How many lines contain `text`.
  func count(_ text: String) -> Int { lines.count { $0.contains(text) } }

  /// The same, after the first has arrived: what a program wrote reaches us a moment later than what it did.
  func countOnceSeen(_ text: String) async throws -> Int {
    _ = try await waitForLine(containing: text)
    return count(text)
  }

  /// Sends SIGTERM and waits for exit 0, which it must reach within five seconds.
  func stopInGoodOrder(by signal: Int32 = SIGTERM) async throws -> (status: TestSupport.ExitStatus, took: Duration) {
    let start = ContinuousClock.now
    send(signal)
    let status = try await waitForExit()
    return (status, start.duration(to: .now))
  }
}
