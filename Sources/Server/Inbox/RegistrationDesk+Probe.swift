import FleetProtocol
import MySQL

extension RegistrationDesk {
  /// Answers a probe from what the row says, and changes nothing: no row, no generation, no queue, no event.
  func answer(_ probe: Verified<RegistrationProbe>, _ inbox: InboxQueue<RegistrationMessage>) async throws -> Set<UInt64> {
    guard probe.body.logicalAgentID == probe.address.logicalAgentID else {
      return try await inbox.settle(refused: [refusal(probe, Self.foreignName)], unusable: [])
    }
    let prospect: RegistrationProspect
    do {
      prospect = try await context.whileDatabaseIsAway { try await store.prospect(of: probe.address, sentAt: probe.body.sentAt) }
    } catch let error as MessageError {
      return try await inbox.settle(refused: [refusal(probe, error)], unusable: [])
    } catch let error as MySQLError {
      return try await inbox.settle(refused: [], unusable: [Unusable(delivery: probe.delivery, reason: "\(error)")])
    }
    let (now, state) = (context.clock.now(), prospect.state)
    let reply = RegistrationProbeReply(
      clientID: probe.account.id, logicalAgentID: probe.address.logicalAgentID, outcome: prospect.outcome, agentID: state?.id,
      status: state.flatMap { AgentStatus(rawValue: $0.status) }, instanceID: state?.instanceID, queue: state?.queue,
      generation: state?.generation, lastHeartbeatAt: state?.lastHeartbeatAt, serverTime: now)
    if let publication = try Reply.publication(reply, to: probe.delivery, account: probe.account, at: now) {
      try await context.reply([publication])
    }
    return []
  }
}
