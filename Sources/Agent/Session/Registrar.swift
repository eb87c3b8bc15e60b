import AMQP
import FleetProtocol
import ServiceRuntime

/// Registers the agent whenever it needs to be: by a message that is answered over direct reply-to.
struct Registrar: Sendable {
  private let context: AgentContext
  private let publisher: InboxPublisher
  private let replies: Replies

  init(_ context: AgentContext, _ publisher: InboxPublisher, _ replies: Replies) {
    self.context = context
    self.publisher = publisher
    self.replies = replies
  }

  private enum Outcome {
    case registered(RegistrationReply)
    case refused(ErrorNotice, isSigned: Bool)
    case failed(Failure)
  }

  /// Works until the channel is gone or the task is cancelled. Throws `AgentExit` when an agent that is starting cannot be registered.
  func run() async throws {
    while true {
      try await context.membership.wait { $0.needsRegistration }
      try await register()
    }
  }

  private func register() async throws {
    let operation = publisher.endpoint.operation(.register)
    var failures = context.failures()
    var messageIDs: Set<String> = []
    while true {
      let isStarting = !context.membership.value.hasBegun
      let failure: Failure
      switch try await attempt(&messageIDs) {
      case .registered(let reply):
        return welcome(reply)
      case .failed(let reason): failure = reason
      case .refused(let notice, let isSigned):
        failure = .refused(.amqp, code: notice.status, response: ResponseText.of(notice))
        if notice.status == ErrorStatus.anotherAgent.code {
          context.membership.update { $0.superseded() }
          try await waitForConflict(operation, failure)
          continue
        }
        if isStarting { try await endIfFinal(operation, failure, isSigned: isSigned) }
      }
      let (delay, lines) = failures.failed(operation, failure, givesUpAfterThree: isStarting)
      context.log.report(lines)
      guard let delay else { throw AgentExit.startupFailed }
      try await Task.sleep(for: delay)
    }
  }

  /// Sends the request and waits for an answer to it, or to one of those sent before it (`messageIDs`).
  private func attempt(_ messageIDs: inout Set<String>) async throws -> Outcome {
    try await publisher.waitUntilUnblocked()
    let sentAt = context.membership.update { $0.request(now: context.clock.now()) }
    let messageID = randomUUID()
    messageIDs.insert(messageID)
    let asked = ContinuousClock.now
    let answers = replies.expect(answersTo: messageIDs)
    do {
      try await publisher.publish(body(sentAt), .register, messageID: messageID, agentID: context.membership.value.agentID)
    } catch let error as AMQPError where error.isAboutOneMessage {
      return .failed(Failure(error))
    }
    let answer: RegistrationAnswer
    do {
      answer = try await withDeadline(context.timings.replyTimeout) {
        for await answer in answers { return answer }
        throw CancellationError()
      }
    } catch is DeadlineExceeded {
      return .failed(.timeout("Read timed out."))
    }
    switch answer {
    case .refused(let notice, let isSigned):
      context.membership.update { $0.refused() }
      messageIDs = []
      return .refused(notice, isSigned: isSigned)
    case .registered(let reply):
      if let problem = problem(of: reply) {
        context.membership.update { $0.refused() }
        messageIDs = []
        return .failed(.connection("The answer cannot be used: \(problem)"))
      }
      // A credential from the disk came without a look at the server's clock.
      if !context.clock.isSet, let warning = context.clock.set(ClockReading(serverTime: reply.serverTime, asked: asked, answered: .now)) {
        context.log.warning(warning)
      }
      return .registered(reply)
    }
  }

  private func problem(of reply: RegistrationReply) -> String? {
    let address = publisher.endpoint.address
    guard reply.clientID == address.clientID, reply.logicalAgentID == address.logicalAgentID else { return "it is for another agent" }
    guard reply.queue == address.queueName(generation: reply.generation) else { return "its queue '\(printable(reply.queue))' is not ours" }
    return nil
  }

  private func welcome(_ reply: RegistrationReply) {
    context.configuration.withLock { _ = $0.apply(reply.config, version: reply.configVersion) }
    context.membership.update { $0.registered(reply) }
    let interval = context.settings.heartbeatInterval?.components.seconds ?? Int64(reply.heartbeatIntervalSeconds)
    context.log.info("\(context.name) is registered for the client \(reply.clientID): queue \(reply.queue), a heartbeat every \(interval)s")
  }

  private func waitForConflict(_ operation: Operation, _ failure: Failure) async throws {
    context.log.report(context.report.lines(operation, failure, number: 1, retryingIn: nil))
    let delay = context.timings.conflictDelay * Double.random(in: 1..<2)
    context.log.error(
      "Another agent runs under the logical id \(context.logicalAgentID): stop one of them, or give each a LOGICAL_AGENT_ID of its own - "
        + "retrying in \(ErrorReport.text(delay))")
    try await Task.sleep(for: delay)
  }

  /// For an agent that is starting, a refusal is the end, if it can be believed.
  private func endIfFinal(_ operation: Operation, _ failure: Failure, isSigned: Bool) async throws {
    guard case .refused(_, let code, _) = failure, [400, 401, 403].contains(code) else { return }
    if !isSigned {
      // The server's word over HTTP decides: it is the one that knows the token.
      do throws(ServerFailure) {
        try await context.credentials.renew()
        return
      } catch {
        guard error.isAuthentication else { return }
      }
    }
    context.log.report(context.report.lines(operation, failure, number: 1, retryingIn: nil))
    throw failure.isAuthentication ? AgentExit.authenticationRefused : AgentExit.startupFailed
  }

  private func body(_ sentAt: Timestamp) -> RegistrationRequest {
    let instance = context.metadata
    let membership = context.membership.value
    return RegistrationRequest(
      logicalAgentID: context.logicalAgentID, hostname: context.hostname,
      instanceID: instance.instanceID ?? String(decoding: context.hostname.utf8.prefix(MessageLimits.identifierBytes), as: UTF8.self),
      instanceType: instance.instanceType ?? "unknown", region: context.settings.region ?? instance.region ?? "unknown",
      az: instance.availabilityZone ?? "unknown", amiID: instance.imageID, agentVersion: programVersion, mode: instance.mode,
      privateIP: instance.privateAddress, publicIP: instance.publicAddress, tags: context.settings.tags,
      sessionID: membership.sessionID,
      generation: membership.registration?.generation, sentAt: sentAt)
  }
}
