import FleetProtocol
import ServiceRuntime

/// Which row belongs to an agent, remembered: heartbeats need the key of their row and nothing else of it.
///
/// A remembered key may be of a deleted row; it then updates nothing, which the committer notices, and `forget` drops it. Keys are never
/// given twice (AUTO_INCREMENT), so a stale one harms nobody. From any thread.
final class AgentDirectory: Sendable {
  /// More agents than this start the memory afresh: some 200 bytes each.
  static let capacity = 200_000

  private let store: AgentStore
  private let entries = Lock<[AgentAddress: AgentStore.Entry]>([:])

  init(_ store: AgentStore) { self.store = store }

  /// The keys of those agents whose row has the id that they say, in the order of the agents; `nil` for the others.
  ///
  /// A remembered id that differs from the asked one is looked up again: another worker may have seen the row made anew.
  func keys(of agents: some Collection<AgentIdentity>) async throws -> [Int64?] {
    var (keys, unknown) = entries.withLock { entries in
      var keys: [Int64?] = []
      keys.reserveCapacity(agents.count)
      var unknown: [(place: Int, agent: AgentIdentity)] = []
      for agent in agents {
        let entry = entries[agent.address]
        // Where another id is remembered there is no key yet: it is looked up with those that are not remembered at all.
        let key = entry?.id == agent.id ? entry?.key : nil
        if key == nil { unknown.append((keys.count, agent)) }
        keys.append(key)
      }
      return (keys, unknown)
    }
    guard !unknown.isEmpty else { return keys }
    let loaded = try await store.directory(unknown.map(\.agent.address))
    entries.withLock { entries in
      if entries.count + loaded.count > Self.capacity { entries = [:] }
      entries.merge(loaded) { _, new in new }
    }
    for (place, agent) in unknown {
      if let entry = loaded[agent.address], entry.id == agent.id { keys[place] = entry.key }
    }
    return keys
  }

  /// The row is gone or has changed hands.
  func forget(_ address: AgentAddress) { entries.withLock { $0[address] = nil } }
}
