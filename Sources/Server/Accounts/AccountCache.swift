import ServiceRuntime

/// Accounts as they were in the database a few seconds ago at most, ids that do not exist included.
///
/// A token that was rotated or a client that was disabled takes hold within `lifetime`, counted from before the row was read. Whoever asks for an
/// id that is being loaded waits for that load instead of starting another.
public actor AccountCache {
  /// How long an entry holds: with the load itself it stays under the five seconds that are promised.
  public static let defaultLifetime: Duration = .seconds(4)
  /// Entries at most; ids come from outside.
  public static let defaultCapacity = 20_000

  private struct Entry {
    let account: Account?
    let readAt: ContinuousClock.Instant
  }

  private let load: @Sendable (Set<String>) async throws -> [Account]
  private let lifetime: Duration
  private let capacity: Int
  private var entries: [String: Entry] = [:]
  private var loading: Set<String> = []
  private var waiters: [CheckedContinuation<Void, Never>] = []

  /// A cache in front of the table `clients`.
  public init(_ store: ClientStore) {
    self.init { try await store.accounts(ids: $0) }
  }

  /// A cache in front of `load`, which returns those accounts that exist.
  init(
    lifetime: Duration = AccountCache.defaultLifetime, capacity: Int = AccountCache.defaultCapacity,
    load: @escaping @Sendable (Set<String>) async throws -> [Account]
  ) {
    self.load = load
    self.lifetime = lifetime
    self.capacity = capacity
  }

  /// The accounts of these ids; those that do not exist are missing from the answer. Throws what the database throws.
  public func accounts(for ids: Set<String>) async throws -> [String: Account] {
    var found: [String: Account] = [:]
    var missing = ids
    while !missing.isEmpty {
      let now = ContinuousClock.now
      for id in missing {
        guard let entry = entries[id], entry.readAt.duration(to: now) < lifetime else { continue }
        found[id] = entry.account
        missing.remove(id)
      }
      let mine = missing.subtracting(loading)
      if !mine.isEmpty {
        for account in try await loadEntries(mine) { found[account.id] = account }
        missing.subtract(mine)
      } else if !missing.isEmpty {
        // If that load fails, its ids are still missing and this caller tries itself.
        await withCheckedContinuation { waiters.append($0) }
      }
    }
    return found
  }

  private func loadEntries(_ ids: Set<String>) async throws -> [Account] {
    loading.formUnion(ids)
    defer {
      loading.subtract(ids)
      for waiter in waiters { waiter.resume() }
      waiters = []
    }
    let readAt = ContinuousClock.now
    let accounts = try await load(ids)
    makeRoom(for: ids.count)
    for id in ids.prefix(capacity) { entries[id] = Entry(account: nil, readAt: readAt) }
    for account in accounts where entries[account.id] != nil { entries[account.id] = Entry(account: account, readAt: readAt) }
    return accounts
  }

  private func makeRoom(for count: Int) {
    guard entries.count + count > capacity else { return }
    let now = ContinuousClock.now
    entries = entries.filter { $0.value.readAt.duration(to: now) < lifetime }
    // More clients within seconds than there is room for: better to read them again than to grow.
    if entries.count + count > capacity { entries = [:] }
  }

  /// For tests of the bound.
  var entryCount: Int { entries.count }
}
