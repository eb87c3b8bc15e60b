import AMQP
import FleetProtocol
import ServiceRuntime

/// Heartbeats that will be committed together, several of one agent collapsed to the newest: a value that needs no socket.
struct HeartbeatBatch: Sendable {
  private(set) var newest: [AgentAddress: Verified<Heartbeat>] = [:]
  private(set) var refused: [Refusal] = []
  private(set) var unusable: [Unusable] = []
  /// Highest delivery tag in the batch: acknowledging up to it acknowledges all.
  private(set) var lastTag: UInt64?
  /// Messages taken in, collapsed ones included.
  private(set) var count = 0

  var isEmpty: Bool { count == 0 }

  mutating func add(_ verdict: Verdict<Heartbeat>) {
    count += 1
    switch verdict {
    case .accepted(let heartbeat):
      note(heartbeat.delivery)
      if let known = newest[heartbeat.address], known.body.sentAt > heartbeat.body.sentAt { return }
      newest[heartbeat.address] = heartbeat
    case .refused(let refusal):
      note(refusal.delivery)
      refused.append(refusal)
    case .unusable(let letter):
      note(letter.delivery)
      unusable.append(letter)
    }
  }

  private mutating func note(_ delivery: Delivery) { lastTag = max(lastTag ?? 0, delivery.deliveryTag) }
}
