import AMQP
import FleetProtocol
import ServiceRuntime

/// What the server answered to a registration.
enum RegistrationAnswer: Sendable, Equatable {
  /// It has the agent.
  case registered(RegistrationReply)
  /// It refuses. `isSigned` says that the notice was signed with our token, so that it can be believed.
  case refused(ErrorNotice, isSigned: Bool)
}

/// Reads what comes over direct reply-to on one channel: answers to registrations, and notices that a message was refused.
struct Replies: Sendable {
  private let context: AgentContext
  private let endpoint: Endpoint
  private let consumer: Consumer
  private let sent: Lock<SentMessages>
  private let waiting = Lock<(messageIDs: Set<String>, continuation: AsyncStream<RegistrationAnswer>.Continuation)?>(nil)

  init(_ context: AgentContext, _ endpoint: Endpoint, _ consumer: Consumer, _ sent: Lock<SentMessages>) {
    self.context = context
    self.endpoint = endpoint
    self.consumer = consumer
    self.sent = sent
  }

  /// Answers to any of these messages from now on, until others are expected: the answer to a request may come when it was repeated already.
  func expect(answersTo messageIDs: Set<String>) -> AsyncStream<RegistrationAnswer> {
    let (stream, continuation) = AsyncStream<RegistrationAnswer>.makeStream(bufferingPolicy: .bufferingOldest(1))
    waiting.withLock { $0 = (messageIDs, continuation) }
    return stream
  }

  /// Reads until the channel is gone or the task is cancelled.
  func run() async throws {
    while true {
      for delivery in try await consumer.nextBatch() { receive(delivery.message) }
    }
  }

  private func receive(_ message: Message) {
    guard let requestID = message.correlationID else {
      return context.log.debug("A reply without a correlation id was ignored")
    }
    let problem: SignatureError?
    do throws(SignatureError) {
      try context.seal.verify(message, routingKey: SignedEnvelope.replyRoutingKey(to: requestID))
      problem = nil
    } catch {
      problem = error
    }
    do throws(MessageError) {
      switch message.type {
      case RegistrationReply.type.rawValue:
        if let problem { return context.log.warning("An answer to a registration was ignored: its \(problem)") }
        answer(.registered(try WireCoding.decode(RegistrationReply.self, from: message.body)), to: requestID)
      case ErrorNotice.type.rawValue:
        receive(try WireCoding.decode(ErrorNotice.self, from: message.body), about: requestID, problem)
      default: context.log.debug("A reply of the unknown type '\(message.type ?? "")' was ignored")
      }
    } catch {
      context.log.warning("A reply to the message \(requestID) cannot be read: \(error)")
    }
  }

  private func receive(_ notice: ErrorNotice, about requestID: String, _ problem: SignatureError?) {
    if answer(.refused(notice, isSigned: problem == nil), to: requestID) { return }
    guard let message = sent.withLock({ $0[requestID] }) else {
      return context.log.debug("A notice about the unknown message \(requestID) was ignored")
    }
    // A 401 can carry no signature that we could check: the two sides do not hold the same token. It is told, and nothing is done on its word.
    if let problem, notice.status != ErrorStatus.invalidToken.code {
      return context.log.warning("A notice (\(notice.status) \(printable(notice.error))) was ignored: its \(problem)")
    }
    let failure = Failure.refused(.amqp, code: notice.status, response: ResponseText.of(notice))
    let isUnknown = notice.status == ErrorStatus.unknownAgent.code
    // A late notice about an id that is no longer ours: the agent has registered again since.
    if isUnknown && message.agentID != context.membership.value.agentID { return }
    context.log.report(context.report.lines(endpoint.operation(message.kind), failure, number: 1, retryingIn: nil))
    if isUnknown {
      context.log.info("\(context.name) is not known to the server and registers again")
      context.configuration.withLock { $0 = AppliedConfiguration() }
      context.membership.update { $0.forgotten() }
    }
  }

  /// Hands an answer to the registration that waits for it; `false` when none does.
  @discardableResult
  private func answer(_ answer: RegistrationAnswer, to requestID: String) -> Bool {
    waiting.withLock { waiting in
      guard let current = waiting, current.messageIDs.contains(requestID) else { return false }
      current.continuation.yield(answer)
      return true
    }
  }
}
