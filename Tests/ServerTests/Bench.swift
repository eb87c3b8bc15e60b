import AMQP
import FleetProtocol
import MySQL
import ServiceRuntime
import TestSupport

@testable import Server

/// A fleet of its own: a vhost and a database, the real `Server` on them (as a worker), and a peer that plays its agents.
struct Bench: Sendable {
  let services: LocalServices
  let virtualHost: String
  let database: FleetDatabase
  let log: BenchLog
  let peer: BenchPeer
  fileprivate let workers = Lock<[StopRequest]>([])
  private let settings: [String: String]

  /// Makes a fleet and runs `body` with it; with a server unless `withoutServer`.
  static func run(
    _ settings: [String: String] = [:], services given: LocalServices? = nil, withoutServer: Bool = false,
    _ body: @escaping @Sendable (Bench) async throws -> Void
  ) async throws {
    let services = if let given { given } else { try await LocalServices.shared() }
    let virtualHost = try await given == nil ? BenchHosts.shared.take(services) : services.virtualHost
    try await FleetDatabase.with(services) { database in
      let loop = EventLoop(name: "bench-agents")
      defer { loop.stop() }
      let connection = try await AMQP.Connection.open(configuration(services, virtualHost), on: loop)
      let peer = try await BenchPeer(connection)
      let bench = Bench(
        services: services, virtualHost: virtualHost, database: database, log: BenchLog(), peer: peer, settings: settings)
      do {
        try await withThrowingTaskGroup(of: Void.self) { group in
          group.addTask { await peer.collectReplies() }
          if !withoutServer { group.addTask { try await bench.runServer() } }
          group.addTask {
            if !withoutServer { try await bench.waitUntilConsuming() }
            try await body(bench)
            throw BenchIsDone()
          }
          defer { group.cancelAll() }
          // The replies end first when the connection breaks, which some tests want; the server's return is an error but for its being stopped.
          while try await group.next() != nil {}
        }
      } catch is BenchIsDone {
        await connection.close()
      } catch {
        await connection.close()
        throw BenchFailure(description: "\(error)\n\(bench.log.lines.suffix(200).joined(separator: "\n"))")
      }
    }
  }

  static func configuration(_ services: LocalServices, _ virtualHost: String) -> ConnectionConfiguration {
    ConnectionConfiguration(
      host: services.host, port: services.port, virtualHost: virtualHost, username: services.user, password: services.password,
      connectionName: "bench")
  }

  /// Runs one more server process (as far as broker and database see it) until it is stopped or the task is cancelled.
  func runServer(_ stop: StopRequest = StopRequest()) async throws {
    workers.withLock { $0.append(stop) }
    var environment = database.login.environment
    environment["AMQP_URL"] = "amqp://\(services.user):\(services.password)@\(services.host):\(services.port)/\(virtualHost)"
    environment.merge(settings) { $1 }
    let configuration = try ServerConfiguration(Environment(environment), role: "worker")
    try await Server(configuration, logger: log.logger).run(until: stop)
  }

  /// Stops the servers that run, as SIGTERM does.
  func stopServers() { for stop in workers.withLock({ $0 }) { stop.request() } }

  func waitUntilConsuming(_ count: Int = 1) async throws {
    try await eventually("\(count) workers consume", timeout: .seconds(60)) {
      do throws(AMQPError) {
        return try await peer.status(Topology.resultsQueue).consumerCount >= count
      } catch {
        // There is no such queue before the server has declared it.
        return false
      }
    }
  }

  // MARK: Clients and agents

  /// A client whose token is `BenchMessage.token(of:)`.
  func client(_ id: String, isActive: Bool = true) async throws {
    try await database.sql(
      "INSERT INTO clients (id, name, client_token, is_active) VALUES ('\(id)', 'Client \(id)', '\(BenchMessage.token(of: id))', \(isActive ? 1 : 0))"
    )
  }

  /// Registers an agent as a new process and returns what the server answered.
  func register(_ name: String, client: String = "c1", session: String = randomUUID()) async throws -> RegistrationReply {
    let address = try AgentAddress(clientID: client, logicalAgentID: name)
    let request = FleetDatabase.request(name, session: session, sentAt: .now())
    let message = try BenchMessage.signed(request, routingKey: address.routingKey(.register), token: BenchMessage.token(of: client))
    try await peer.publish(message, address.routingKey(.register))
    let reply = try await peer.reply(to: message)
    guard reply.type == "registered" else { throw BenchFailure(description: String(decoding: reply.body, as: UTF8.self)) }
    return try WireCoding.decode(RegistrationReply.self, from: reply.body)
  }

  func heartbeat(
    _ agent: RegistrationReply, sentAt: Timestamp = .now(), status: AgentStatus = .online, instances: [String] = []
  ) throws -> Publication {
    let address = try AgentAddress(clientID: agent.clientID, logicalAgentID: agent.logicalAgentID)
    let body = BenchMessage.heartbeat(agent.agentID, sentAt: sentAt, status: status, instances: instances)
    let message = try BenchMessage.signed(
      body, routingKey: address.routingKey(.heartbeat), token: BenchMessage.token(of: agent.clientID))
    return Publication(message, to: Topology.inboxExchange, routingKey: address.routingKey(.heartbeat))
  }

  func result(_ commandID: String, of agent: RegistrationReply, output: JSONValue? = nil, status: CommandResult.Outcome = .succeeded) throws
    -> Publication
  {
    let address = try AgentAddress(clientID: agent.clientID, logicalAgentID: agent.logicalAgentID)
    let now = Timestamp.now()
    let body = CommandResult(
      commandID: commandID, agentID: agent.agentID, status: status, output: output, startedAt: now, finishedAt: now, sentAt: now)
    let message = try BenchMessage.signed(body, routingKey: address.routingKey(.result), token: BenchMessage.token(of: agent.clientID))
    return Publication(message, to: Topology.inboxExchange, routingKey: address.routingKey(.result))
  }

  func agent(_ reply: RegistrationReply) async throws -> Agent {
    guard let agent = try await database.agents.find(id: reply.agentID) else { throw NotRegistered(name: reply.logicalAgentID) }
    return agent
  }

  // MARK: What is where

  /// Waits until nothing is ready in a queue and nothing unacknowledged, and sees it once more by stopping the servers, which gives back what they hold.
  func expectEmptyAfterStop(_ queues: [String] = [Topology.heartbeatsQueue, Topology.registerQueue, Topology.resultsQueue]) async throws {
    try await eventually("everything is acknowledged", timeout: .seconds(60)) {
      // Over AMQP a queue tells only of what is ready.
      let lines = try await services.rabbitmqctl("list_queues", "-p", virtualHost, "name", "messages").split(separator: "\n")
      return queues.allSatisfy { queue in lines.contains("\(queue)\t0") }
    }
    stopServers()
    for queue in queues {
      try await eventually("\(queue) has no consumer") { try await peer.status(queue).consumerCount == 0 }
      let count = try await peer.status(queue).messageCount
      guard count == 0 else { throw BenchFailure(description: "\(queue) holds \(count) messages after the server has stopped") }
    }
  }

  /// Takes `count` dead letters, waiting for them, and looks whether there are more.
  func deadLetters(_ count: Int) async throws -> [Delivery] {
    try await eventually("\(count) dead letters", timeout: .seconds(60)) {
      try await peer.status(Topology.deadLettersQueue).messageCount >= count
    }
    return try await peer.drain(Topology.deadLettersQueue)
  }
}

/// Ends a bench's group, and with it the server.
private struct BenchIsDone: Error {}

/// Why a bench failed, with the end of the server's log.
struct BenchFailure: Error, CustomStringConvertible { let description: String }

/// What the servers of a bench log.
final class BenchLog: Sendable {
  private let state = Lock<[String]>([])

  var lines: [String] { state.withLock { $0 } }

  var logger: Logger { Logger(level: .debug) { line in self.state.withLock { $0.append(String(line.dropLast())) } } }

  func count(_ text: String) -> Int { lines.count { $0.contains(text) } }
}

extension BenchMessage {
  static func token(of client: String) -> String { client == "c1" ? token : "token-of-\(client)-0123456789" }
}
