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

  /// The rows of these agents; those that have none are missing in the answer.
  func lookUp(_ addresses: [AgentAddress]) async throws -> [AgentAddress: AgentStore.Entry] {
    var found: [AgentAddress: AgentStore.Entry] = [:]
    found.reserveCapacity(addresses.count)
    let unknown = entries.withLock { entries in
      addresses.filter { address in
        guard let entry = entries[address] else { return true }
        found[address] = entry
        return false
      }
    }
    guard !unknown.isEmpty else { return found }
    let loaded = try await store.directory(unknown)
    entries.withLock { entries in
      if entries.count + loaded.count > Self.capacity { entries = [:] }
      entries.merge(loaded) { _, new in new }
    }
    return found.merging(loaded) { _, new in new }
  }

  /// The row is gone or has changed hands.
  func forget(_ address: AgentAddress) { entries.withLock { $0[address] = nil } }
}
