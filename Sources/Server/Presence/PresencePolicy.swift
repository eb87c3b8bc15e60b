/// Whether an agent that has not been heard of may be called offline now: a pure decision.
///
/// Silence means something only while we are listening. After a start, a lost broker or a database outage the heartbeats of live agents are still
/// in the queue, in a worker's hands or in agents that are reconnecting; so nobody is called offline before heartbeats were consumed, and the queue
/// was short, for one whole time-out without a break.
struct PresencePolicy {
  /// `AGENT_HEARTBEAT_TIMEOUT`.
  let timeout: Duration
  /// Messages ready in `fleet.heartbeats` above which it is the server that is late.
  let backlogLimit: Int

  private var currentSince: ContinuousClock.Instant?
  private var lastLook: ContinuousClock.Instant?

  init(timeout: Duration, backlogLimit: Int = HeartbeatDesk.batchSize) {
    self.timeout = timeout
    self.backlogLimit = backlogLimit
  }

  /// Takes a look at the queue into account; `backlog` is `nil` while heartbeats are not consumed or not stored. Says whether silence counts now.
  ///
  /// Looks are to come several times in a time-out. One that comes after half of it (and a second) or more found something that took so long, a database
  /// that did not answer say, and that is a break too.
  mutating func observe(backlog: Int?, at now: ContinuousClock.Instant) -> Bool {
    let isLate = lastLook.map { $0.duration(to: now) >= max(timeout / 2, .seconds(1)) } ?? false
    lastLook = now
    guard let backlog, backlog <= backlogLimit else {
      currentSince = nil
      return false
    }
    let since = isLate ? now : currentSince ?? now
    currentSince = since
    return since.duration(to: now) >= timeout
  }
}
