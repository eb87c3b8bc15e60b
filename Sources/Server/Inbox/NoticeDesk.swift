import AMQP
import FleetProtocol
import MySQL
import ServiceRuntime

/// Takes spot notices from `fleet.notices` to the `agents` table, to whoever subscribes and to the reactions: an instance has two minutes left, so they have a
/// queue and a reader of their own.
struct NoticeDesk: Sendable {
  /// Notices worked on at once by one worker: when a zone loses its spot capacity, they come by the hundred.
  static let concurrency = 8

  let store: AgentStore
  let context: InboxContext

  /// Works until the connection breaks or the task is cancelled.
  func run(on connection: AMQP.Connection) async throws {
    let inbox = try await InboxQueue<SpotNotice>(.notice, on: connection, prefetch: UInt16(4 * Self.concurrency), context: context)
    try await inbox.forEachBatch(upTo: Self.concurrency) { verdicts in
      let settled = try await withThrowingTaskGroup(of: Settled.self) { group in
        for verdict in verdicts { group.addTask { try await handle(verdict) } }
        var all: [Settled] = []
        for try await one in group { all.append(one) }
        return all
      }
      let letters = try await inbox.settle(refused: settled.compactMap(\.refusal), unusable: settled.compactMap(\.letter))
      guard let first = verdicts.first, let last = verdicts.last else { return }
      try await inbox.acknowledge(first.delivery.deliveryTag...last.delivery.deliveryTag, except: letters)
    }
  }

  private enum Settled: Sendable {
    case done
    case refused(Refusal)
    case unusable(Unusable)

    var refusal: Refusal? { if case .refused(let refusal) = self { refusal } else { nil } }
    var letter: Unusable? { if case .unusable(let letter) = self { letter } else { nil } }
  }

  private func handle(_ verdict: Verdict<SpotNotice>) async throws -> Settled {
    switch verdict {
    case .accepted(let notice): try await record(notice)
    case .refused(let refusal): .refused(refusal)
    case .unusable(let letter): .unusable(letter)
    }
  }

  private func record(_ notice: Verified<SpotNotice>) async throws -> Settled {
    let body = notice.body
    let outcome: NoticeOutcome
    do {
      outcome = try await context.whileDatabaseIsAway { try await store.record(body, from: notice.address) }
    } catch let error where error is MySQLError || error is RowError || error is MessageError {
      return .unusable(Unusable(delivery: notice.delivery, reason: "\(error)"))
    }
    let agent = "agent \(body.agentID) '\(notice.address.logicalAgentID)' of client \(notice.address.clientID)"
    switch outcome {
    case .recorded:
      let what =
        switch body.kind {
        case .interruption: "Spot interruption (\(body.action ?? "no action named"), at \(body.time.iso8601))"
        case .rebalance: "Spot rebalance recommendation (of \(body.time.iso8601))"
        }
      context.logger.warning("\(what) for \(agent), instance \(body.instanceID ?? "unknown")")
    case .repeated:
      context.logger.debug("The \(body.kind.rawValue) notice of \(body.time.iso8601) for \(agent) came before and changes nothing")
    case .ofFormerInstance(let current):
      context.logger.info(
        "A \(body.kind.rawValue) notice for \(agent) is about its former instance \(body.instanceID ?? ""), it now runs on \(current)")
    case .unknownAgent:
      return .refused(
        Refusal(
          notice: ErrorNotice(.unknownAgent, messageID: notice.messageID), delivery: notice.delivery, address: notice.address,
          account: notice.account, reason: "no agent \(body.agentID)", isAuthentication: false))
    }
    return .done
  }
}
