/// The prepared statements of one connection, the least recently used given up first.
///
/// Bounded, because the server bounds them over all connections (`max_prepared_stmt_count`, 16382 by default).
struct StatementCache<Statement> {
  private let capacity: Int
  private var entries: [String: (statement: Statement, lastUse: UInt64)] = [:]
  private var clock: UInt64 = 0

  init(capacity: Int) { self.capacity = capacity }

  var count: Int { entries.count }

  /// The statement for this text, now the most recently used.
  mutating func statement(for sql: String) -> Statement? {
    guard let index = entries.index(forKey: sql) else { return nil }
    clock += 1
    entries.values[index].lastUse = clock
    return entries.values[index].statement
  }

  /// Takes a statement in; when that is one too many, the least recently used goes. The search for it is linear: the cache is small, and a
  /// new statement costs a trip to the server anyway.
  mutating func insert(_ statement: Statement, for sql: String) {
    clock += 1
    if entries[sql] == nil, entries.count >= capacity, let oldest = entries.min(by: { $0.value.lastUse < $1.value.lastUse }) {
      entries[oldest.key] = nil
    }
    entries[sql] = (statement, clock)
  }

  mutating func remove(_ sql: String) { entries[sql] = nil }

  mutating func removeAll() { entries = [:] }
}
