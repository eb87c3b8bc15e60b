/// Who has which connection of a pool and who waits: decisions only, no connection is touched here.
///
/// A slot is the right to have one connection open. A connection taken or a slot being connected holds one; waiters get what comes free
/// in the order in which they came, and nobody passes them.
struct PoolState<Resource: Sendable>: Sendable {
  typealias Waiter = UInt64

  /// What a caller does next.
  enum Turn: Sendable {
    /// Use this one; `needsPing` when it may be dead.
    case use(Resource, needsPing: Bool)
    /// Open a connection and report how it went.
    case connect
    /// Give up.
    case fail(MySQLError)
  }

  private struct Idle: Sendable {
    let resource: Resource
    /// `nil`: another connection was lost meanwhile, so this one is suspect whatever its age.
    var since: ContinuousClock.Instant?
  }

  private let size: Int
  private let pingAfter: Duration
  private var idle: [Idle] = []
  private var inUse = 0
  private var connecting = 0
  private var waiters: [Waiter] = []
  private(set) var isClosed = false

  init(size: Int, pingAfter: Duration) {
    precondition(size > 0, "a pool needs room for one connection")
    self.size = size
    self.pingAfter = pingAfter
  }

  /// Nothing is out and nothing is being connected.
  var isDrained: Bool { inUse == 0 && connecting == 0 }
  /// How many callers wait.
  var waiterCount: Int { waiters.count }
  /// Connections that exist or are being made.
  var slotsTaken: Int { idle.count + inUse + connecting }
  /// Who has what.
  var usage: PoolUsage { PoolUsage(size: size, inUse: inUse, idle: idle.count, connecting: connecting, waiting: waiters.count) }

  /// What a caller gets at once; `nil`: it has to queue.
  mutating func take(now: ContinuousClock.Instant) -> Turn? {
    if isClosed { return .fail(Self.closed) }
    return waiters.isEmpty ? free(now) : nil
  }

  /// Queues a caller for whom `take` had nothing.
  mutating func enqueue(_ waiter: Waiter) { waiters.append(waiter) }

  /// The waiter gave up. `false` when its turn has been given to it already.
  mutating func withdraw(_ waiter: Waiter) -> Bool {
    guard let index = waiters.firstIndex(of: waiter) else { return false }
    waiters.remove(at: index)
    return true
  }

  /// The connection for a slot is there and in use.
  mutating func connected() {
    connecting -= 1
    inUse += 1
  }

  /// The connection for a slot failed: the next waiter may try, but when no connection works at all, all who wait fail with this error
  /// at once and not one connect time-out after another.
  mutating func connectFailed(_ error: MySQLError, now: ContinuousClock.Instant) -> [(Waiter, Turn)] {
    connecting -= 1
    guard idle.isEmpty, inUse == 0 else { return serve(now) }
    defer { waiters = [] }
    return waiters.map { ($0, .fail(error)) }
  }

  /// A connection comes back, fit for use. `nil`: the pool is closed; close the connection, then `discard` it.
  mutating func giveBack(_ resource: Resource, now: ContinuousClock.Instant) -> [(Waiter, Turn)]? {
    guard !isClosed else { return nil }
    inUse -= 1
    idle.append(Idle(resource: resource, since: now))
    return serve(now)
  }

  /// A connection comes back broken: its slot is free, and those that lie idle are suspect.
  mutating func discard(now: ContinuousClock.Instant) -> [(Waiter, Turn)] {
    inUse -= 1
    suspectIdle()
    return serve(now)
  }

  /// A connection in use turned out dead before its user got it: its slot is used for a new one.
  mutating func replace() {
    inUse -= 1
    connecting += 1
    suspectIdle()
  }

  /// No more requests. Returns the idle connections and the waiters to be told.
  mutating func close() -> (idle: [Resource], waiters: [(Waiter, Turn)]) {
    isClosed = true
    defer {
      idle = []
      waiters = []
    }
    return (idle.map(\.resource), waiters.map { ($0, .fail(Self.closed)) })
  }

  private mutating func suspectIdle() {
    for index in idle.indices { idle[index].since = nil }
  }

  private mutating func serve(_ now: ContinuousClock.Instant) -> [(Waiter, Turn)] {
    var served: [(Waiter, Turn)] = []
    while let waiter = waiters.first, let turn = free(now) {
      waiters.removeFirst()
      served.append((waiter, turn))
    }
    return served
  }

  /// The most recently used connection, so that those a quiet time does not need are left alone; else a slot.
  private mutating func free(_ now: ContinuousClock.Instant) -> Turn? {
    if let last = idle.popLast() {
      inUse += 1
      return .use(last.resource, needsPing: last.since.map { now - $0 >= pingAfter } ?? true)
    }
    guard slotsTaken < size else { return nil }
    connecting += 1
    return .connect
  }

  private static var closed: MySQLError { MySQLError(kind: .closed, message: "the pool of connections was closed by this program") }
}
