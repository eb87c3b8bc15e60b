import FleetProtocol
import ServiceRuntime

/// Stores spot notices and says in the log what became of them, whichever way they came.
struct NoticeRecorder: Sendable {
  let store: AgentStore
  let logger: Logger

  /// Stores one; `address` is who proved to have sent it. Throws what the store throws.
  func record(_ notice: SpotNotice, from address: AgentAddress) async throws -> NoticeOutcome {
    let outcome = try await store.record(notice, from: address)
    let agent = "agent \(notice.agentID) '\(address.logicalAgentID)' of client \(address.clientID)"
    switch outcome {
    case .recorded:
      let what =
        switch notice.kind {
        case .interruption: "Spot interruption (\(notice.action ?? "no action named"), at \(notice.time.iso8601))"
        case .rebalance: "Spot rebalance recommendation (of \(notice.time.iso8601))"
        }
      logger.warning("\(what) for \(agent), instance \(notice.instanceID ?? "unknown")")
    case .repeated:
      logger.debug("The \(notice.kind.rawValue) notice of \(notice.time.iso8601) for \(agent) came before and changes nothing")
    case .ofFormerInstance(let current):
      logger.info(
        "A \(notice.kind.rawValue) notice for \(agent) is about its former instance \(notice.instanceID ?? ""), it now runs on \(current)")
    case .unknownAgent: break
    }
    return outcome
  }
}
