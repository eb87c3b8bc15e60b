import AMQP
import FleetProtocol
import MySQL
import ServiceRuntime

/// Takes spot notices from `fleet.notices` to the `agents` table, to whoever subscribes and to the reactions: an instance has two minutes left, so they have a
/// queue and a reader of their own.
struct NoticeDesk: Sendable {
  /// Notices worked on at once by one worker: when a zone loses its spot capacity, they come by the hundred.
  static let concurrency = 8

  let recorder: NoticeRecorder
  let context: InboxContext

  init(store: AgentStore, context: InboxContext) {
    recorder = NoticeRecorder(store: store, logger: context.logger)
    self.context = context
  }

  /// Works until the connection breaks or the task is cancelled.
  func run(on connection: AMQP.Connection) async throws {
    let inbox = try await InboxQueue<SpotNotice>(.notice, on: connection, prefetch: UInt16(4 * Self.concurrency), context: context)
    try await inbox.forEachBatch(upTo: Self.concurrency) { verdicts in
      let settled = try await withThrowingTaskGroup(of: Settled.self) { group in
        for verdict in verdicts { group.addTask { try await handle(verdict, inbox.metrics) } }
        var all: [Settled] = []
        for try await one in group { all.append(one) }
        return all
      }
      inbox.metrics.batch.observe(Double(verdicts.count))
      inbox.metrics.accepted.add(settled.count { $0.isDone })
      let letters = try await inbox.settle(refused: settled.compactMap(\.refusal), unusable: settled.compactMap(\.letter))
      guard let first = verdicts.first, let last = verdicts.last else { return }
      try await inbox.acknowledge(first.delivery.deliveryTag...last.delivery.deliveryTag, except: letters)
    }
  }

  private enum Settled: Sendable {
    case done
    case refused(Refusal)
    case unusable(Unusable)

    var isDone: Bool { if case .done = self { true } else { false } }
    var refusal: Refusal? { if case .refused(let refusal) = self { refusal } else { nil } }
    var letter: Unusable? { if case .unusable(let letter) = self { letter } else { nil } }
  }

  private func handle(_ verdict: Verdict<SpotNotice>, _ metrics: QueueMetrics) async throws -> Settled {
    switch verdict {
    case .accepted(let notice): try await record(notice, metrics)
    case .refused(let refusal): .refused(refusal)
    case .unusable(let letter): .unusable(letter)
    }
  }

  private func record(_ notice: Verified<SpotNotice>, _ metrics: QueueMetrics) async throws -> Settled {
    let outcome: NoticeOutcome
    do {
      outcome = try await context.whileDatabaseIsAway {
        try await metrics.commit.time { try await recorder.record(notice.body, from: notice.address) }
      }
    } catch let error where error is MySQLError || error is RowError || error is MessageError {
      return .unusable(Unusable(delivery: notice.delivery, reason: "\(error)"))
    }
    guard outcome == .unknownAgent else { return .done }
    return .refused(
      Refusal(
        notice: ErrorNotice(.unknownAgent, messageID: notice.messageID), delivery: notice.delivery, address: notice.address,
        account: notice.account, reason: "no agent \(notice.body.agentID)", isAuthentication: false))
  }
}
