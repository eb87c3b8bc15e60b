import AMQP
import FleetProtocol
import ServiceRuntime

/// Questions and answers over direct reply-to, on a channel of their own: what the agent's session does, without any of its consequences.
struct BrokerConversation: Sendable {
  /// What came of a question.
  enum Answer: Sendable {
    /// The answer, and how long it took.
    case probed(RegistrationProbeReply, took: Duration)
    /// A message was refused; `isSigned` says that the notice can be believed.
    case refused(ErrorNotice, isSigned: Bool)
    /// Something came that cannot be used.
    case unusable(String)
    /// Nothing came within the time.
    case silent
    /// The broker did not take the message, or the connection is gone.
    case failed(AMQPError)
  }

  private let channel: Channel
  private let replies: Consumer
  private let endpoint: Endpoint
  private let seal: MessageSeal
  private let clock: FleetClock
  private let limit: Duration

  init(_ broker: (connection: Connection, endpoint: Endpoint), _ token: ClientToken, _ clock: FleetClock, limit: Duration)
    async throws(AMQPError)
  {
    channel = try await broker.connection.openChannel()
    try await channel.enableConfirms()
    replies = try await channel.consume(Topology.replyToQueue, noAck: true)
    endpoint = broker.endpoint
    seal = MessageSeal(token: token)
    self.clock = clock
    self.limit = limit
  }

  /// Asks what a registration would bring. Notices about `others`, messages that were sent before, are answers too.
  func probe(_ logicalAgentID: String, others: Set<String> = []) async throws -> Answer {
    let started = ContinuousClock.now
    do {
      let id = try await publish(RegistrationProbe(logicalAgentID: logicalAgentID, sentAt: clock.now()), .register)
      return try await withDeadline(limit) { try await answer(to: others.union([id]), since: started) }
    } catch let error as AMQPError {
      try Task.checkCancellation()
      return .failed(error)
    } catch is DeadlineExceeded {
      return .silent
    }
  }

  /// Publishes one message, signed, and returns its id once the broker has it.
  func publish<Body: FleetMessage>(_ body: Body, _ kind: MessageKind) async throws -> String {
    let (id, routingKey) = (randomUUID(), endpoint.address.routingKey(kind))
    var message = Message(
      body: try WireCoding.encode(body), contentType: "application/json", type: Body.type.rawValue, messageID: id)
    message.timestamp = UInt64(max(0, clock.now().seconds))
    message.userID = endpoint.address.username
    message.appID = AgentVersion.product
    message.replyTo = Topology.replyToQueue
    try seal.sign(&message, routingKey: routingKey)
    try await channel.publish(Publication(message, to: Topology.inboxExchange, routingKey: routingKey, mandatory: true), timeout: limit)
    return id
  }

  private func answer(to ids: Set<String>, since started: ContinuousClock.Instant) async throws -> Answer {
    while true {
      for delivery in try await replies.nextBatch() {
        let message = delivery.message
        // Answers to earlier questions, which nobody waits for any more, come late.
        guard let id = message.correlationID, ids.contains(id) else { continue }
        return read(message, id, took: started.duration(to: .now))
      }
    }
  }

  private func read(_ message: Message, _ id: String, took: Duration) -> Answer {
    var problem: SignatureError?
    do throws(SignatureError) {
      try seal.verify(message, routingKey: SignedEnvelope.replyRoutingKey(to: id))
    } catch {
      problem = error
    }
    do throws(MessageError) {
      switch message.type {
      case RegistrationProbeReply.type.rawValue:
        if let problem { return .unusable("its \(problem)") }
        return .probed(try WireCoding.decode(RegistrationProbeReply.self, from: message.body), took: took)
      case ErrorNotice.type.rawValue:
        return .refused(try WireCoding.decode(ErrorNotice.self, from: message.body), isSigned: problem == nil)
      default: return .unusable("its type is '\(printable(message.type ?? ""))'")
      }
    } catch {
      return .unusable("\(error)")
    }
  }
}
