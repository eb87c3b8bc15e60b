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
      for verdict in verdicts {
        switch verdict {
        case .accepted(let result): if let letter = try await finish(result) { unusable.append(letter) }
        case .refused(let refusal): refused.append(refusal)
        case .unusable(let letter): unusable.append(letter)
        }
      }
      let letters = try await inbox.settle(refused: refused, unusable: unusable)
      guard let first = verdicts.first, let last = verdicts.last else { return }
      try await inbox.acknowledge(first.delivery.deliveryTag...last.delivery.deliveryTag, except: letters)
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
    } catch let error where error is MySQLError || error is MessageError {
      // The latter: an output that is longer when it is written our way (`1e9` becomes ten digits) than a message may be.
      return Unusable(delivery: result.delivery, reason: "\(error)")
    }
    return nil
  }
}
