import AMQP
import Diagnosis
import FleetProtocol
import ServiceRuntime

extension Examination {
  /// What the server would say to a registration, the agent's queue, and a heartbeat's way into the table.
  mutating func lookAtMembership() async throws {
    let checks = ["registration", "own queue", "heartbeat"]
    guard let settings, let broker else { return skip(checks, because: brokerTrouble) }
    let conversation: BrokerConversation
    do throws(AMQPError) {
      conversation = try await BrokerConversation(broker, settings.clientToken, clock, limit: doctor.limits.answer)
    } catch {
      report.add(.fail("registration", "\(error)", remedy: "on the broker: journalctl -u rabbitmq-server"))
      return skip(["own queue", "heartbeat"], because: "there is no channel at the broker")
    }
    try await lookAtRegistration(conversation, settings)
    try await lookAtQueue(broker.connection)
    try await lookAtHeartbeat(conversation)
  }

  private mutating func lookAtRegistration(_ conversation: BrokerConversation, _ settings: AgentSettings) async throws {
    let answer = try await conversation.probe(logicalAgentID)
    if case .probed(let reply, _) = answer { probed = reply }
    // As a registration has it.
    let instanceID = metadata.instanceID ?? String(decoding: hostName().utf8.prefix(MessageLimits.identifierBytes), as: UTF8.self)
    let blocked = await broker?.connection.blocked
    report.add(
      RegistrationFinding.finding(answer, token: settings.clientToken.preview, blocked: blocked, limit: doctor.limits.answer))
    if let probed, let warning = RegistrationFinding.otherInstance(probed, here: instanceID) { report.add(warning) }
  }

  /// Looks without consuming: what waits there is the running agent's.
  private mutating func lookAtQueue(_ connection: Connection) async throws {
    let check = "own queue"
    guard let probed else { return report.skip(check, because: registrationTrouble) }
    guard probed.agentID != nil else { return report.skip(check, because: "the agent was never registered; its first start brings it one") }
    guard let queue = probed.queue else {
      return report.skip(check, because: "the agent's row has none: it polls over HTTP, or never registered")
    }
    do throws(AMQPError) {
      let status = try await connection.openChannel().queueStatus(queue)
      readers = status.consumerCount
      report.add(QueueFinding.finding(queue, messages: status.messageCount, readers: status.consumerCount, process))
    } catch {
      guard case .channelClosed(code: 404) = error.kind else {
        return report.add(.fail(check, "\(queue): \(error)", remedy: "on the server: spotctl doctor '\(printable(logicalAgentID))'"))
      }
      readers = 0
      report.add(QueueFinding.missing(queue, process))
    }
  }

  private mutating func lookAtHeartbeat(_ conversation: BrokerConversation) async throws {
    let check = "heartbeat"
    guard let probed else { return report.skip(check, because: registrationTrouble) }
    switch HeartbeatVoice(probed, readers: readers) {
    case .silent(let reason): report.skip(check, because: reason)
    case .speaks(let agentID, let generation, let status):
      // Later than what the row has, however little: a heartbeat that is older changes nothing.
      let sentAt = max(clock.now(), probed.lastHeartbeatAt?.advanced(by: .milliseconds(1)) ?? .now())
      let beat = Heartbeat(
        agentID: agentID, status: status, monitoredInstances: metadata.instanceID.map { [$0] } ?? [], generation: generation, sentAt: sentAt
      )
      try await send(beat, before: probed.lastHeartbeatAt, conversation)
    }
  }

  /// Publishes it and asks until the row shows one that is newer than `before`: this one, or one that the running agent has sent since, which tells as much.
  private mutating func send(_ beat: Heartbeat, before: Timestamp?, _ conversation: BrokerConversation) async throws {
    let check = "heartbeat"
    let started = ContinuousClock.now
    let id: String
    do {
      id = try await conversation.publish(beat, .heartbeat)
    } catch let error as AMQPError {
      try Task.checkCancellation()
      return report.add(.fail(check, "the broker does not take it: \(error)", remedy: "on the server: spotctl doctor"))
    }
    let taken = started.duration(to: .now)
    while started.duration(to: .now) < doctor.limits.heartbeat {
      switch try await conversation.probe(logicalAgentID, others: [id]) {
      case .probed(let reply, _):
        guard let time = reply.lastHeartbeatAt, before.map({ time > $0 }) ?? true else { break }
        let words = beat.status == .offline ? "; it says offline, as the row does, for no agent runs" : ""
        return report.add(
          .pass(
            check,
            "taken by the broker in \(taken.inMilliseconds), in the server's table within \(started.duration(to: .now).inMilliseconds)\(words)"
          ))
      case .refused(let notice, _):
        let remedy = "on this machine: systemctl restart spot-optimizer-agent; on the server: spotctl doctor '\(printable(logicalAgentID))'"
        return report.add(.fail(check, "AMQP error \(notice.status): \(ResponseText.of(notice))", remedy: remedy))
      case .unusable(let reason):
        return report.add(.fail(check, "an answer cannot be used: \(reason)", remedy: "on the server: spotctl doctor"))
      case .failed(let error): return report.add(.fail(check, "\(error)", remedy: "on the server: spotctl doctor"))
      case .silent: break
      }
      try await Task.sleep(for: .milliseconds(50))
    }
    report.add(
      .fail(
        check,
        "the broker took it in \(taken.inMilliseconds), and the server's table does not show it after \(doctor.limits.heartbeat.components.seconds) s",
        remedy: "on the server: spotctl doctor (its lines 'queue fleet.heartbeats' and 'database')"))
  }
}
