import AMQP
import FleetProtocol
import Foundation
import HTTP
import HTTPServing
import ServiceRuntime
import SignedMessages
import TestSupport

/// The server as far as an agent sees it, over a real broker and a real HTTP server: it gives out credentials that the broker checks,
/// answers registrations and keeps what agents send. A test tells it how to behave.
actor TestPeer {
  /// How a registration is answered.
  enum RegistrationBehaviour: Sendable {
    case welcome
    case silence
    case refuse(ErrorStatus, signed: Bool)
  }

  /// A message of an agent, as it came.
  struct Received<Body: Sendable>: Sendable {
    let body: Body
    let message: Message
    let routingKey: String
  }

  let services: LocalServices
  let clientID = "client-\(UInt32.random(in: 0...UInt32.max))"
  let token = "token-\(UUID().uuidString.lowercased())"
  let agentID = UUID().uuidString.lowercased()
  nonisolated let port: Int

  var registrationBehaviour = RegistrationBehaviour.welcome
  var heartbeatRefusal: ErrorStatus?
  var healthStatus = 200
  /// What the credentials call answers instead of a credential.
  var credentialRefusal: HTTPResponse?
  var credentialLifetime = 3600
  var heartbeatInterval = 1
  var configuration = AgentConfiguration()
  var configurationVersion = 0
  /// How far the server's clock is ahead of this machine's.
  var clockAhead = Duration.zero
  /// Named instead of the real broker.
  var replacedBroker: String?
  /// Brokers named before the real one.
  var deadBrokers: [String] = []

  private(set) var registrations: [Received<RegistrationRequest>] = []
  private(set) var heartbeats: [Received<Heartbeat>] = []
  private(set) var results: [Received<CommandResult>] = []
  private(set) var notices: [Received<SpotNotice>] = []
  private(set) var progress: [Received<CommandProgress>] = []
  private(set) var output: [Received<CommandOutput>] = []
  private(set) var credentialsGiven = 0
  private(set) var generation = 0
  private(set) var logicalAgentID = ""

  private let key: CredentialKey
  private let loop = EventLoop(name: "test-peer")
  private var connection: Connection?
  private var channel: Channel?

  init(port: Int) async throws {
    services = try await TestBroker.services()
    self.port = port
    key = try KeyRing(folder: services.keysDirectory).current
  }

  deinit { loop.stop() }

  func set(_ change: @Sendable (isolated TestPeer) -> Void) { change(self) }

  nonisolated var url: String { "http://127.0.0.1:\(port)" }

  var now: Timestamp { Timestamp.now().advanced(by: clockAhead) }

  // MARK: HTTP

  func answer(_ request: HTTPRequest) -> HTTPResponse {
    switch (request.method, request.path) {
    case ("GET", "/health"), ("HEAD", "/health"):
      return healthStatus == 200
        ? .json(200, Array(#"{"status":"healthy"}"#.utf8))
        : .json(healthStatus, Array(#"{"status":"unhealthy","error":"no database"}"#.utf8))
    case ("POST", "/api/broker/credentials"): return credential(request)
    default: return .error(404, "Not found")
    }
  }

  private func credential(_ request: HTTPRequest) -> HTTPResponse {
    if let credentialRefusal { return credentialRefusal }
    guard request.headers["Authorization"] == "Bearer \(token)" else { return .error(401, "Invalid client token") }
    do {
      let wanted = try WireCoding.decode(CredentialRequest.self, from: request.body)
      logicalAgentID = wanted.logicalAgentID
      let address = try AgentAddress(clientID: clientID, logicalAgentID: logicalAgentID)
      // The broker's clock is this machine's.
      let (jwt, expiresAt) = try Credential.issue(
        for: address, virtualHost: services.virtualHost, key: key, issuedAt: .now(), lifetime: .seconds(credentialLifetime))
      credentialsGiven += 1
      let reply = CredentialReply(
        address: address, brokers: deadBrokers + [replacedBroker ?? "amqp://\(services.host):\(services.port)"],
        vhost: services.virtualHost,
        credential: jwt, expiresAt: expiresAt.advanced(by: clockAhead), heartbeatIntervalSeconds: heartbeatInterval,
        credentialTTLSeconds: credentialLifetime, serverTime: now)
      return .json(200, try WireCoding.encode(reply))
    } catch {
      return .error(500, "\(error)")
    }
  }

  // MARK: AMQP

  var address: AgentAddress {
    get throws { try AgentAddress(clientID: clientID, logicalAgentID: logicalAgentID) }
  }

  var queue: String {
    get throws { try address.queueName(generation: generation) }
  }

  /// Logs in and takes what waits; returns when the connection is closed or lost.
  func work() async throws {
    let url = try BrokerURL(services.amqpURL, name: "AMQP_URL")
    let connection = try await Connection.open(
      ConnectionConfiguration(url, defaultVirtualHost: services.virtualHost, connectionName: "test-peer"), on: loop)
    self.connection = connection
    let channel = try await connection.openChannel()
    try await channel.enableConfirms()
    self.channel = channel
    var consumers: [Consumer] = []
    for queue in [Topology.registerQueue, Topology.heartbeatsQueue, Topology.resultsQueue, Topology.noticesQueue] {
      consumers.append(try await channel.consume(queue))
    }
    // As one who follows a command does.
    let followed = try await channel.declareQueue("", durable: false, exclusive: true)
    try await channel.bindQueue(followed.name, to: Topology.inboxExchange, routingKey: "output.\(clientID).*")
    consumers.append(try await channel.consume(followed.name))
    await withTaskGroup(of: Void.self) { group in
      for consumer in consumers {
        group.addTask {
          do {
            while true {
              for delivery in try await consumer.nextBatch() {
                await self.receive(delivery)
                try await channel.acknowledge(delivery.deliveryTag)
              }
            }
          } catch {
            // The consumer has ended, and with it this task.
          }
        }
      }
    }
    self.connection = nil
    self.channel = nil
    await connection.close()
  }

  /// No server any more: what agents send waits at the broker.
  func stopWorking() async {
    await connection?.close()
    connection = nil
    channel = nil
  }

  var isWorking: Bool { channel != nil }

  private func receive(_ delivery: Delivery) async {
    let message = delivery.message
    do {
      let (kind, address) = try AgentAddress.parse(routingKey: delivery.routingKey)
      guard address.clientID == clientID else { return }
      try verify(message, routingKey: delivery.routingKey)
      switch kind {
      case .register:
        let body = try WireCoding.decode(RegistrationRequest.self, from: message.body)
        registrations.append(Received(body: body, message: message, routingKey: delivery.routingKey))
        try await answerRegistration(message, address)
      case .heartbeat:
        let body = try WireCoding.decode(Heartbeat.self, from: message.body)
        heartbeats.append(Received(body: body, message: message, routingKey: delivery.routingKey))
        if let heartbeatRefusal { try await refuse(message, heartbeatRefusal, signed: true) }
      case .result where message.type == CommandProgress.type.rawValue:
        let body = try WireCoding.decode(CommandProgress.self, from: message.body)
        progress.append(Received(body: body, message: message, routingKey: delivery.routingKey))
      case .result:
        let body = try WireCoding.decode(CommandResult.self, from: message.body)
        results.append(Received(body: body, message: message, routingKey: delivery.routingKey))
      case .notice:
        let body = try WireCoding.decode(SpotNotice.self, from: message.body)
        notices.append(Received(body: body, message: message, routingKey: delivery.routingKey))
      case .output:
        let body = try WireCoding.decode(CommandOutput.self, from: message.body)
        output.append(Received(body: body, message: message, routingKey: delivery.routingKey))
      }
    } catch {
      problems.append("\(error)")
    }
  }

  /// What agents sent that a server could not use: always a failure of the agent.
  private(set) var problems: [String] = []

  private func verify(_ message: Message, routingKey: String) throws {
    try message.verifySignature(with: SigningKey(clientToken: token), routingKey: routingKey)
  }

  private func answerRegistration(_ message: Message, _ address: AgentAddress) async throws {
    switch registrationBehaviour {
    case .silence: return
    case .refuse(let status, let signed): try await refuse(message, status, signed: signed)
    case .welcome:
      guard let channel else { return }
      let previous = generation
      generation += 1
      let queue = address.queueName(generation: generation)
      _ = try await channel.declareQueue(
        queue, arguments: ["x-expires": .int(Topology.agentQueueExpiryMilliseconds), "x-max-priority": .int(Topology.queuePriorities)])
      try await channel.bindQueue(queue, to: Topology.commandsExchange, routingKey: queue)
      if previous > 0 { try await channel.deleteQueue(address.queueName(generation: previous)) }
      let reply = RegistrationReply(
        agentID: agentID, clientID: clientID, logicalAgentID: address.logicalAgentID, queue: queue, generation: generation,
        heartbeatIntervalSeconds: heartbeatInterval, config: configuration, configVersion: configurationVersion, serverTime: now)
      try await send(reply, to: message)
    }
  }

  private func refuse(_ message: Message, _ status: ErrorStatus, signed: Bool) async throws {
    try await send(ErrorNotice(status, messageID: message.messageID ?? ""), to: message, token: signed ? token : "another-token-entirely")
  }

  private func send<Body: FleetMessage>(_ body: Body, to request: Message, token: String? = nil) async throws {
    guard let requestID = request.messageID, let replyTo = request.replyTo else {
      throw MessageError(field: "reply_to", problem: "is missing")
    }
    var message = try signed(body, routingKey: SignedEnvelope.replyRoutingKey(to: requestID), token: token ?? self.token)
    message.correlationID = requestID
    message.persistent = false
    try await channel?.publish(Publication(message, to: "", routingKey: replyTo, mandatory: false))
  }

  private func signed<Body: FleetMessage>(
    _ body: Body, routingKey: String, messageID: String = UUID().uuidString.lowercased(), token: String
  ) throws -> Message {
    var message = Message(
      body: try WireCoding.encode(body), contentType: "application/json", type: Body.type.rawValue, messageID: messageID)
    message.timestamp = UInt64(now.seconds)
    try message.sign(with: SigningKey(clientToken: token), routingKey: routingKey)
    return message
  }

  // MARK: What tests ask for

  /// Sends a command; returns when the broker has it in the agent's queue.
  func send(_ command: Command, token: String? = nil) async throws {
    try await send(command, messageID: command.id, level: CommandPriority.level(of: command.priority), token: token)
  }

  /// Calls a command off.
  func cancel(_ id: String, token: String? = nil) async throws {
    try await send(
      CommandCancellation(commandID: id, agentID: agentID, requestedAt: now), messageID: UUID().uuidString.lowercased(),
      level: CommandPriority.cancellationLevel, token: token)
  }

  private func send<Body: FleetMessage>(_ body: Body, messageID: String, level: UInt8, token: String?) async throws {
    var message = try signed(body, routingKey: queue, messageID: messageID, token: token ?? self.token)
    message.priority = level
    guard let channel else { throw MessageError(field: "channel", problem: "is closed: the peer does not work") }
    try await channel.publish(Publication(message, to: Topology.commandsExchange, routingKey: queue, mandatory: true))
  }

  func command(
    _ type: String, id: String = UUID().uuidString.lowercased(), expiresAt: Timestamp? = nil, agentID: String? = nil,
    parameters: JSONValue = .object([:]), priority: Int = CommandPriority.normal, timeoutSeconds: Int? = nil, streamsOutput: Bool = false
  ) -> Command {
    Command(
      id: id, agentID: agentID ?? self.agentID, commandType: type, parameters: parameters, priority: priority, createdAt: now,
      expiresAt: expiresAt, timeoutSeconds: timeoutSeconds, streamsOutput: streamsOutput)
  }

  /// How far a command has come by the agent's word, in the order it came.
  func stages(of id: String) -> [CommandProgress.Stage] { progress.map(\.body).filter { $0.commandID == id }.map(\.stage) }

  /// The pieces of a command's output.
  func pieces(of id: String) -> [CommandOutput] { output.map(\.body).filter { $0.commandID == id } }

  /// The results for a command, in the order they came.
  func results(for id: String) -> [CommandResult] { results.map(\.body).filter { $0.commandID == id } }

  func deleteAgentQueue() async throws { try await channel?.deleteQueue(queue) }

  /// Messages ready in the agent's queue, and its consumers.
  func agentQueueStatus() async throws -> QueueStatus? { try await channel?.queueStatus(queue) }
}
