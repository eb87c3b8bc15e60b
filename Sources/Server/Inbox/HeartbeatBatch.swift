import AMQP
import FleetProtocol
import ServiceRuntime

/// An agent as a message names it: whose it is, and the id that it says it was given.
struct AgentIdentity: Hashable, Sendable {
  let address: AgentAddress
  let id: String

  /// Of the address alone: nearly always an agent has one id, and only those that share an address are compared.
  func hash(into hasher: inout Hasher) { hasher.combine(address) }
}

/// Heartbeats that will be committed together, several of one agent collapsed to the newest: a value that needs no socket.
struct HeartbeatBatch: Sendable {
  /// By address and id, so that a heartbeat with a wrong id takes no place from a good one.
  private(set) var newest: [AgentIdentity: Verified<Heartbeat>] = [:]
  private(set) var refused: [Refusal] = []
  private(set) var unusable: [Unusable] = []
  /// The delivery tags in the batch, which are consecutive: one consumer on a channel of its own, read in order.
  private(set) var tags: ClosedRange<UInt64>?
  /// Messages taken in, collapsed ones included.
  private(set) var count = 0
  /// When the heartbeat that came last was sent.
  private(set) var lastSentAt: Timestamp?

  var isEmpty: Bool { count == 0 }

  /// An empty batch with room for that many agents.
  init(agents: Int = 0) { newest.reserveCapacity(agents) }

  mutating func add(_ verdict: Verdict<Heartbeat>) {
    count += 1
    let tag = verdict.delivery.deliveryTag
    tags = tags.map { min($0.lowerBound, tag)...max($0.upperBound, tag) } ?? tag...tag
    switch verdict {
    case .accepted(let heartbeat):
      lastSentAt = heartbeat.body.sentAt
      let identity = AgentIdentity(address: heartbeat.address, id: heartbeat.body.agentID)
      guard let place = newest.index(forKey: identity) else {
        newest[identity] = heartbeat
        return
      }
      if newest.values[place].body.sentAt <= heartbeat.body.sentAt { newest.values[place] = heartbeat }
    case .refused(let refusal): refused.append(refusal)
    case .unusable(let letter): unusable.append(letter)
    }
  }
}
