/// Names a timer so that it can be cancelled.
struct TimerID: Hashable, Sendable {
  fileprivate let number: UInt64
}

/// The timers of an event loop, earliest first: a binary heap, with cancelled entries dropped when they surface.
struct TimerQueue {
  private struct Entry {
    let instant: ContinuousClock.Instant
    let id: TimerID
  }

  private var heap: [Entry] = []
  private var handlers: [TimerID: EventLoop.Handler] = [:]
  private var lastNumber: UInt64 = 0

  /// When the earliest timer is due.
  var next: ContinuousClock.Instant? { heap.first?.instant }

  mutating func add(at instant: ContinuousClock.Instant, _ handler: @escaping EventLoop.Handler) -> TimerID {
    lastNumber += 1
    let id = TimerID(number: lastNumber)
    handlers[id] = handler
    heap.append(Entry(instant: instant, id: id))
    var child = heap.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      guard heap[child].instant < heap[parent].instant else { break }
      heap.swapAt(child, parent)
      child = parent
    }
    return id
  }

  mutating func cancel(_ id: TimerID) {
    handlers[id] = nil
    // Confirms cancel nearly every timer they set: without this, dead entries would pile up for the length of the timeout.
    if heap.count > 64 && heap.count > 2 * handlers.count {
      let live = heap.filter { handlers[$0.id] != nil }
      heap = live.sorted { $0.instant < $1.instant }
    }
    while let first = heap.first, handlers[first.id] == nil { removeFirst() }
  }

  mutating func popDue(at now: ContinuousClock.Instant) -> [EventLoop.Handler] {
    var due: [EventLoop.Handler] = []
    while let first = heap.first, first.instant <= now {
      if let handler = handlers.removeValue(forKey: first.id) { due.append(handler) }
      removeFirst()
    }
    return due
  }

  private mutating func removeFirst() {
    heap.swapAt(0, heap.count - 1)
    heap.removeLast()
    var parent = 0
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && heap[child].instant < heap[least].instant { least = child }
      if least == parent { return }
      heap.swapAt(parent, least)
      parent = least
    }
  }
}
