import AMQP
import FleetProtocol
import ServiceRuntime

/// Publishes what the instance metadata says about the end of the agent's spot instance: within `AgentTimings.noticeInterval` of its
/// appearing, once for each notice, and again until the broker has confirmed it.
///
/// Lives as long as the agent, so that a new connection does not repeat what the former one has said. Exists on EC2 only: off EC2 there is nobody to ask.
final class SpotNoticeWatch: Sendable {
  /// What was said, and for which agent: one that registers under another id has not said it yet.
  private struct Said: Sendable, Hashable {
    let notice: SpotNoticeService.Notice
    let agentID: String
  }

  /// How many notices are remembered; an instance sees a handful in its life.
  private static let remembered = 64

  private let service: SpotNoticeService
  private let instanceID: String
  private let interval: Duration
  private let confirmTimeout: Duration
  private let said = Lock<[Said]>([])
  /// What could not be asked for last time, so that a service that goes away is told once and not every two seconds.
  private let complaints = Lock<Set<SpotNotice.Kind>>([])

  init(endpoint: ServerURL, instanceID: String, timings: AgentTimings) {
    service = SpotNoticeService(endpoint: endpoint, timeout: timings.metadataTimeout)
    self.instanceID = instanceID
    interval = timings.noticeInterval
    confirmTimeout = timings.noticeConfirmTimeout
  }

  deinit { service.close() }

  /// Asks and publishes until the channel is gone or the task is cancelled.
  func run(_ context: AgentContext, _ publisher: InboxPublisher) async throws {
    while true {
      let agentID = try await context.membership.first { $0.voice?.agentID }
      for kind in [SpotNotice.Kind.interruption, .rebalance] {
        let answer = await service.ask(kind)
        try Task.checkCancellation()
        tell(answer, kind, context)
        if case .notice(let notice) = answer { try await publish(Said(notice: notice, agentID: agentID), context, publisher) }
      }
      try await Task.sleep(for: interval)
    }
  }

  private func publish(_ new: Said, _ context: AgentContext, _ publisher: InboxPublisher) async throws {
    guard !said.withLock({ $0.contains(new) }) else { return }
    try await publisher.waitUntilUnblocked()
    let notice = new.notice
    let text = "the notice '\(notice.action ?? notice.kind.rawValue)' for \(notice.time.iso8601)"
    let body = SpotNotice(
      agentID: new.agentID, kind: notice.kind, action: notice.action, time: notice.time, instanceID: instanceID, sentAt: context.clock.now()
    )
    do {
      try await publisher.publish(body, .notice, agentID: new.agentID, timeout: confirmTimeout)
    } catch let error as AMQPError where error.isAboutOneMessage {
      context.log.warning("\(context.name) could not send \(text) and tries again: \(error)")
      return
    }
    said.withLock { said in
      if said.count == Self.remembered { said.removeFirst() }
      said.append(new)
    }
    context.log.warning("\(context.name) sent \(text) of its instance \(instanceID)")
  }

  private func tell(_ answer: SpotNoticeService.Answer, _ kind: SpotNotice.Kind, _ context: AgentContext) {
    let path = SpotNoticeService.path(of: kind)
    if case .problem(let problem) = answer {
      let isNew = complaints.withLock { $0.insert(kind).inserted }
      let text = "\(context.name) cannot ask the instance metadata for \(path) and goes on trying: \(problem)"
      if isNew { context.log.warning(text) } else { context.log.debug(text) }
    } else if complaints.withLock({ $0.remove(kind) }) != nil {
      context.log.info("\(context.name) can ask the instance metadata for \(path) again")
    }
  }
}
