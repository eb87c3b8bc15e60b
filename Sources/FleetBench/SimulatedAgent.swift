import AMQP
import FleetProtocol
import Server
import ServiceRuntime
import SignedMessages

/// How simulated agents log in: each with a credential of its own, signed with the server's key.
struct AgentLogins: Sendable {
  private let broker: ConnectionConfiguration
  private let key: CredentialKey

  /// Reads the signing key of the environment.
  init(_ settings: BenchSettings) throws(ConfigurationError) {
    broker = settings.broker.connection(named: "fleet-bench agent")
    key = try KeyRing(folder: settings.keysDirectory).current
  }

  /// The login of one agent, tuned as the agent tunes its own.
  func login(of address: AgentAddress) throws -> ConnectionConfiguration {
    var configuration = broker
    configuration.username = address.username
    configuration.password = try Credential.issue(
      for: address, virtualHost: broker.virtualHost, key: key, issuedAt: .now(), lifetime: .seconds(86_400)
    ).token
    configuration.maximumFrameSize = 8192
    configuration.maximumChannels = 4
    return configuration
  }
}

/// What an agent is on the wire: one connection, one channel, its answers and its commands on it.
struct SimulatedAgent: Sendable {
  private static let prefetch: UInt16 = 8

  let address: AgentAddress
  let connection: Connection
  private let channel: Channel
  private let replies: Consumer

  /// Connects and listens for answers.
  static func connect(_ address: AgentAddress, _ login: ConnectionConfiguration, on loop: EventLoop) async throws -> SimulatedAgent {
    let connection = try await Connection.open(login, on: loop)
    do {
      let channel = try await connection.openChannel()
      try await channel.enableConfirms()
      let replies = try await channel.consume(Topology.replyToQueue, noAck: true)
      return SimulatedAgent(address: address, connection: connection, channel: channel, replies: replies)
    } catch {
      await connection.close()
      throw error
    }
  }

  /// Starts consuming a queue of commands.
  func consume(_ queue: String) async throws -> Consumer {
    try await channel.setPrefetch(Self.prefetch)
    return try await channel.consume(queue)
  }

  /// Registers at a running server and returns its answer, whose signature holds.
  func register(token: String) async throws -> RegistrationReply {
    let request = RegistrationRequest(
      logicalAgentID: address.logicalAgentID, instanceID: "i-0123456789abcdef0", instanceType: "t3.micro", region: "us-east-1",
      az: "us-east-1a", agentVersion: programVersion, sessionID: randomUUID(), sentAt: .now())
    let key = try SigningKey(clientToken: token)
    let requestID = try await publish(request, .register, key)
    let answer = try await withDeadline(.seconds(30)) { [replies] in
      while true {
        if let answer = try await replies.nextBatch().first(where: { $0.message.correlationID == requestID }) { return answer.message }
      }
    }
    guard answer.type == RegistrationReply.type.rawValue else {
      let notice = try WireCoding.decode(ErrorNotice.self, from: answer.body)
      throw BenchError("the server refused the registration of \(address.logicalAgentID): \(notice.status) \(notice.error)")
    }
    try answer.verifySignature(with: key, routingKey: SignedEnvelope.replyRoutingKey(to: requestID))
    return try WireCoding.decode(RegistrationReply.self, from: answer.body)
  }

  /// Runs commands, each by doing nothing, until the task is cancelled; `handle` is told of each as soon as its signature was found good.
  func work(_ commands: Consumer, _ registration: RegistrationReply, token: String, handle: (Command) -> Void) async throws {
    let key = try SigningKey(clientToken: token)
    while true {
      for delivery in try await commands.nextBatch() {
        try delivery.message.verifySignature(with: key, routingKey: registration.queue)
        let command = try WireCoding.decode(Command.self, from: delivery.message.body)
        handle(command)
        let now = Timestamp.now()
        let result = CommandResult(
          commandID: command.id, agentID: registration.agentID, status: .succeeded, output: ["pong": true], startedAt: now, finishedAt: now,
          sentAt: now)
        try await publish(result, .result, key)
        try await channel.acknowledge(delivery.deliveryTag)
      }
    }
  }

  /// Sends a message as an agent does, signed, and returns its id when the broker has it.
  @discardableResult
  func publish<Body: FleetMessage>(_ body: Body, _ kind: MessageKind, _ key: SigningKey) async throws -> String {
    let routingKey = address.routingKey(kind)
    var message = Message(
      body: try WireCoding.encode(body), contentType: "application/json", type: Body.type.rawValue, messageID: randomUUID())
    message.timestamp = UInt64(max(0, Timestamp.now().seconds))
    message.userID = address.username
    message.appID = "fleet-bench/\(programVersion)"
    message.replyTo = Topology.replyToQueue
    try message.sign(with: key, routingKey: routingKey)
    try await channel.publish(Publication(message, to: Topology.inboxExchange, routingKey: routingKey))
    return message.messageID ?? ""
  }
}
