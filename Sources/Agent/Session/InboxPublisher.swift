import AMQP
import FleetProtocol
import ServiceRuntime

/// Publishes the agent's messages on one channel, signed: mandatory and confirmed, but for what is merely offered.
struct InboxPublisher: Sendable {
  private let context: AgentContext
  private let channel: Channel
  private let flow: Observed<Flow>
  let endpoint: Endpoint
  private let sent: Lock<SentMessages>
  private let healthy: @Sendable () -> Void

  /// `healthy` is called when the broker has confirmed something: the connection works.
  init(
    _ context: AgentContext, _ channel: Channel, _ flow: Observed<Flow>, _ endpoint: Endpoint, _ sent: Lock<SentMessages>,
    healthy: @escaping @Sendable () -> Void
  ) {
    self.context = context
    self.channel = channel
    self.flow = flow
    self.endpoint = endpoint
    self.sent = sent
    self.healthy = healthy
  }

  /// Publishes one message and waits for its confirm.
  ///
  /// Throws an `AMQPError` when the broker did not take it, another error when it cannot be written at all.
  func publish<Body: FleetMessage>(
    _ body: Body, _ kind: MessageKind, messageID: String = randomUUID(), agentID: String?, timeout: Duration? = nil
  ) async throws {
    var message = try message(body, messageID)
    message.replyTo = Topology.replyToQueue
    let publication = try publication(message, kind, mandatory: true)
    sent.withLock { $0.add(SentMessages.Entry(messageID: messageID, kind: kind, agentID: agentID)) }
    try await channel.publish(publication, timeout: timeout ?? context.timings.replyTimeout)
    healthy()
  }

  /// Publishes for whoever listens: what nobody waits for is dropped by the broker, what the broker does not take is lost. Returns how many were lost,
  /// as far as is known within `timeout`; throws when one cannot be written at all.
  func offer<Body: FleetMessage>(_ bodies: [Body], _ kind: MessageKind, timeout: Duration) async throws -> Int {
    guard flow.value == .unblocked else { return bodies.count }
    let publications = try bodies.map { body in
      var message = try message(body, randomUUID())
      message.persistent = false
      return try publication(message, kind, mandatory: false)
    }
    return await channel.publish(publications, timeout: timeout).count { outcome in
      if case .failure = outcome { true } else { false }
    }
  }

  private func message<Body: FleetMessage>(_ body: Body, _ messageID: String) throws -> Message {
    var message = Message(
      body: try WireCoding.encode(body), contentType: "application/json", type: Body.type.rawValue, messageID: messageID)
    message.timestamp = UInt64(max(0, context.clock.now().seconds))
    message.userID = endpoint.address.username
    message.appID = AgentVersion.product
    return message
  }

  private func publication(_ message: Message, _ kind: MessageKind, mandatory: Bool) throws -> Publication {
    var message = message
    let routingKey = endpoint.address.routingKey(kind)
    try context.seal.sign(&message, routingKey: routingKey)
    return Publication(message, to: Topology.inboxExchange, routingKey: routingKey, mandatory: mandatory)
  }

  /// Publishes until the broker has the message, as it is at each attempt: an alarm at the broker is waited for, what got no confirm is
  /// repeated on the guide's schedule. With `givesUpAfterThree` returns `false` after the third failure.
  ///
  /// Throws when channel or connection are gone, or the task is cancelled.
  func publishPatiently<Body: FleetMessage>(_ kind: MessageKind, agentID: String, givesUpAfterThree: Bool, _ body: () -> Body) async throws
    -> Bool
  {
    var failures = context.failures()
    while true {
      try await waitUntilUnblocked()
      do {
        try await publish(body(), kind, agentID: agentID)
        return true
      } catch let error as AMQPError where error.isAboutOneMessage {
        // What was written just before the alarm is confirmed only after it.
        if flow.value != .unblocked { continue }
        let (delay, lines) = failures.failed(endpoint.operation(kind), Failure(error), givesUpAfterThree: givesUpAfterThree)
        context.log.report(lines)
        guard let delay else { return false }
        try await Task.sleep(for: delay)
      }
    }
  }

  /// Waits while the broker takes no messages.
  func waitUntilUnblocked() async throws { try await flow.wait { $0 == .unblocked } }
}

extension AMQPError {
  /// Whether only a message failed, and channel and connection live on.
  var isAboutOneMessage: Bool {
    switch kind {
    case .timeout, .nacked, .returned, .blocked: true
    default: false
    }
  }
}
