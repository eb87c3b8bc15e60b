import Server

/// What a follower has shown: so that an event that comes twice, by the broker and from the table, is shown once, and that it is known from where to read on.
struct EventProgress: Sendable {
  /// Ids that are remembered.
  static let capacity = 20_000
  /// How far back a catch-up looks: a transaction that took a low number may have committed late.
  static let overlap: Int64 = 5000

  private let start: Int64
  private var newest: Int64
  private var shown: Set<String> = []
  private var order: [String] = []
  private var oldest = 0

  /// Begins behind the event with this number.
  init(after start: Int64) {
    self.start = start
    newest = start
  }

  /// Whether an event was not shown yet; from now on it was.
  mutating func isNews(_ event: StoredEvent) -> Bool {
    guard shown.insert(event.id).inserted else { return false }
    newest = max(newest, event.seq)
    if order.count < Self.capacity {
      order.append(event.id)
    } else {
      shown.remove(order[oldest])
      order[oldest] = event.id
      oldest = (oldest + 1) % Self.capacity
    }
    return true
  }

  /// Events with greater numbers may have been missed, but for those that were shown.
  var resumeAfter: Int64 { max(start, newest - Self.overlap) }
}
