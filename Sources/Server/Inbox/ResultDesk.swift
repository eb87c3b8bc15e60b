import AMQP
import FleetProtocol
import MySQL
import ServiceRuntime

/// Takes results from `fleet.results` to the `commands` table: the first one counts, its repetitions are acknowledged and change nothing.
struct ResultDesk: Sendable {
  /// Results read at once.
  static let batchSize = 200

  let store: CommandStore
  let context: InboxContext

  /// Works until the connection breaks or the task is cancelled.
  func run(on connection: AMQP.Connection) async throws {
    let inbox = try await InboxQueue<CommandResult>(.result, on: connection, prefetch: UInt16(2 * Self.batchSize), context: context)
    try await inbox.forEachBatch(upTo: Self.batchSize) { verdicts in
      var refused: [Refusal] = []
      var unusable: [Unusable] = []
      var lastTag: UInt64 = 0
      for verdict in verdicts {
        switch verdict {
        case .accepted(let result):
          lastTag = max(lastTag, result.delivery.deliveryTag)
          if let letter = try await finish(result) { unusable.append(letter) }
        case .refused(let refusal):
          lastTag = max(lastTag, refusal.delivery.deliveryTag)
          refused.append(refusal)
        case .unusable(let letter):
          lastTag = max(lastTag, letter.delivery.deliveryTag)
          unusable.append(letter)
        }
      }
      try await inbox.settle(refused: refused, unusable: unusable)
      try await inbox.channel.acknowledge(lastTag, multiple: true)
    }
  }

  private func finish(_ result: Verified<CommandResult>) async throws -> Unusable? {
    let body = result.body
    do {
      let outcome = try await context.whileDatabaseIsAway { try await store.finish(body, from: result.address) }
      switch outcome {
      case .accepted: context.logger.info("Command \(body.commandID) \(body.status.rawValue) on agent \(body.agentID)")
      case .duplicate: context.logger.debug("Command \(body.commandID) was finished before; the repeated result changes nothing")
      case .unknown: return Unusable(delivery: result.delivery, reason: "agent \(body.agentID) has no command \(body.commandID)")
      }
    } catch let error as MySQLError {
      return Unusable(delivery: result.delivery, reason: "\(error)")
    }
    return nil
  }
}
