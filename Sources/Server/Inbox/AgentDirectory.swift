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

  /// The keys of those agents whose row has the id that they say; the others are missing in the answer.
  ///
  /// A remembered id that differs from the asked one is looked up again: another worker may have seen the row made anew.
  func keys(of agents: some Collection<AgentIdentity>) async throws -> [AgentIdentity: Int64] {
    var found: [AgentIdentity: Int64] = [:]
    found.reserveCapacity(agents.count)
    let unknown = entries.withLock { entries in
      agents.filter { agent in
        guard let entry = entries[agent.address], entry.id == agent.id else { return true }
        found[agent] = entry.key
        return false
      }
    }
    guard !unknown.isEmpty else { return found }
    let loaded = try await store.directory(unknown.map(\.address))
    entries.withLock { entries in
      if entries.count + loaded.count > Self.capacity { entries = [:] }
      entries.merge(loaded) { _, new in new }
    }
    for agent in unknown {
      if let entry = loaded[agent.address], entry.id == agent.id { found[agent] = entry.key }
    }
    return found
  }

  /// The row is gone or has changed hands.
  func forget(_ address: AgentAddress) { entries.withLock { $0[address] = nil } }
}
