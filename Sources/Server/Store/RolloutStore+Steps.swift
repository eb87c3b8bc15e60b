import FleetProtocol
import MySQL
import ServiceRuntime

extension RolloutStore {
  /// Commands that one step writes at most, and targets that it ends at most: what keeps its transaction at a few hundredths of a second.
  public static let startedAtOnce = 200
  static let movedAtOnce = 1000

  /// A rollout that a server should look at.
  struct Due: Sendable, Equatable {
    let id: String
    let state: RolloutState
    /// Whether its commands under way are to be called off.
    var cancelsRunning = false
  }

  /// The rollouts that may have something to do, oldest first: those that run, those with commands under way, those whose time has come, and those whose
  /// preparation has stopped.
  func due() async throws -> [Due] {
    let rows = try await pool.withConnection { connection in
      try await connection.query(
        """
        SELECT id, state, cancel_running FROM rollouts WHERE finished_at IS NULL AND (state IN ('running', 'cancelled') OR (state = 'paused' AND sent > 0) \
        OR (state = 'scheduled' AND start_at <= NOW(3)) OR (state = 'preparing' AND prepared_at <= NOW(3) - INTERVAL ? MICROSECOND)) \
        ORDER BY created_at, id
        """, [.int(Self.preparationSilence.milliseconds * 1000)])
    }
    return try rows.map { row in
      let id = try row.string("id")
      let state = try row.word(RolloutState.self, "state", table: "rollouts", id: id)
      let cancelsRunning = try row.bool("cancel_running")
      return Due(id: id, state: state, cancelsRunning: state == .cancelled && cancelsRunning)
    }
  }

  /// Takes a rollout one step on, in one transaction: collects what has ended, does what was ordered, and lets the policy decide on the rest.
  ///
  /// `isThorough` also looks for agents that were deleted and those that are to be given up, which reads every target that waits.
  func step(_ id: String, isThorough: Bool) async throws -> RolloutStep {
    try await pool.transaction { connection in
      guard let (locked, now) = try await Self.lock(id, on: connection) else { return RolloutStep() }
      var transaction = RolloutTransaction(rollout: locked, now: now, isThorough: isThorough, connection: connection)
      switch locked.state {
      case .preparing, .completed: return RolloutStep()
      case .scheduled:
        guard let startAt = locked.startAt, startAt <= now else { return RolloutStep() }
        transaction.begin()
        try await transaction.goOn()
      case .running:
        try await transaction.collect()
        try await transaction.goOn()
      case .paused: try await transaction.collect()
      case .cancelled:
        try await transaction.collect()
        try await transaction.callOff()
      }
      return try await transaction.finish()
    }
  }
}

/// One step of a rollout whose row is locked: what is read and written, and what has changed.
struct RolloutTransaction {
  var rollout: Rollout
  let now: Timestamp
  let isThorough: Bool
  let connection: Connection
  private(set) var step = RolloutStep()
  private var events: [FleetEvent] = []
  private var hasChanged = false

  init(rollout: Rollout, now: Timestamp, isThorough: Bool, connection: Connection) {
    self.rollout = rollout
    self.now = now
    self.isThorough = isThorough
    self.connection = connection
  }

  mutating func begin() { events.append(rollout.begin(now)) }

  /// Writes the row and the events; what the step did.
  func finish() async throws -> RolloutStep {
    var step = step
    step.events = events.map(\.type)
    guard hasChanged || !step.didNothing else { return step }
    try await RolloutStore.save(rollout, on: connection)
    try await FleetEvent.append(events, on: connection)
    return step
  }

  /// So many targets that waited have been ended as `state`.
  mutating func noteEnd(_ count: Int, as state: RolloutTargetState) {
    rollout.counts.move(count, from: .waiting, to: state)
    step.moved += count
    if count == RolloutStore.movedAtOnce { step.hasMore = true }
  }

  /// Nothing of it is left.
  mutating func close() {
    rollout.finishedAt = now
    hasChanged = true
  }

  // MARK: What has ended

  /// Takes what became of the commands under way over to their targets; also when a server had closed a command as timed out and its agent has said since how
  /// it really ended.
  mutating func collect() async throws {
    let rows = try await connection.query(
      """
      SELECT t.agent_key, t.state, t.attempts, c.status, c.error FROM rollout_targets t FORCE INDEX (rollout_targets_next) \
      LEFT JOIN commands c ON c.id = t.command_id WHERE t.rollout_id = ? AND t.state IN ('sent', 'timed_out') \
      AND IF(t.state = 'sent', c.id IS NULL OR c.status NOT IN ('pending', 'queued', 'delivered', 'running'), c.status <> 'timed_out') LIMIT ?
      """, [.text(rollout.id), .int(Int64(RolloutStore.movedAtOnce))])
    guard !rows.isEmpty else { return }
    let ended = try rows.compactMap(end)
    try await write(ended)
    step.collected += ended.count
    if rows.count == RolloutStore.movedAtOnce { step.hasMore = true }
  }

  /// What became of one target's command; `nil` for a command that is under way again.
  private func end(_ row: Row) throws -> EndedTarget? {
    let key = Int64(try row.int("agent_key"))
    let old = try row.word(RolloutTargetState.self, "state", table: "rollout_targets", id: rollout.id)
    guard let word = try row.optionalString("status") else {
      return EndedTarget(key: key, old: old, new: .failed, error: "the command's row was deleted")
    }
    guard let status = CommandStatus(rawValue: word) else {
      // Written by hand, or by a newer server: whatever it is, it is no success.
      return EndedTarget(key: key, old: old, new: .failed, error: "the command's status is '\(printable(word))'")
    }
    guard var new = RolloutTargetState(status) else { return nil }
    if new == .waiting {
      let isTooLate = rollout.giveUpAt.map { $0 <= now } ?? false
      let isLastAttempt = try row.int("attempts") >= RolloutStore.mostAttempts
      if rollout.state == .cancelled {
        new = .calledOff
      } else if isTooLate || isLastAttempt {
        new = .givenUp
      }
    }
    return EndedTarget(key: key, old: old, new: new, error: try row.optionalString("error"))
  }

  private struct EndedTarget {
    let key: Int64
    let old: RolloutTargetState
    let new: RolloutTargetState
    let error: String?
  }

  private mutating func write(_ ended: [EndedTarget]) async throws {
    guard !ended.isEmpty else { return }
    var sql: SQLText = "UPDATE rollout_targets SET ended_at = NOW(3), state = CASE agent_key"
    for target in ended {
      sql.append(sql: " WHEN ")
      sql.append(.int(target.key))
      sql.append(sql: " THEN ")
      sql.append(.text(target.new.rawValue))
    }
    sql.append(sql: " END, error = CASE agent_key")
    for target in ended {
      sql.append(sql: " WHEN ")
      sql.append(.int(target.key))
      sql.append(sql: " THEN ")
      sql.append(Value(target.new == .succeeded ? nil : target.error.map { String($0.prefix(255)) }))
    }
    sql.append(sql: " END WHERE rollout_id = ")
    sql.append(.text(rollout.id))
    sql.append(sql: " AND agent_key IN (")
    sql.append(list: ended.map { .int($0.key) })
    sql.append(sql: ")")
    try await connection.executeText(sql)
    for target in ended { rollout.counts.move(1, from: target.old, to: target.new) }
  }

  // MARK: While it runs

  /// Tries again what was ordered to be, then does what the policy says.
  mutating func goOn() async throws {
    // The rest of what has ended first: the policy must know of every error.
    guard !step.hasMore else { return }
    guard try await retry() else { return }
    guard let policy = rollout.policy else {
      throw StoreError(table: "rollouts", id: rollout.id, problem: "the limits of a rollout that runs are NULL; they must be numbers")
    }
    switch policy.decision(rollout.counts, inFlight: try await inFlight()) {
    case .wait: return
    case .start(let count): try await start(count)
    case .complete: complete()
    case .pause(let errors, let tolerated, let inCanary): try await pause(errors, tolerated, inCanary)
    }
  }

  /// Counted among the commands and among the targets, and the greater holds: a command that its server had given up for undelivered may run after all.
  private func inFlight() async throws -> Int {
    guard rollout.counts.waiting > 0 else { return rollout.counts.sent }
    let rows = try await connection.query(
      "SELECT COUNT(*) AS n FROM commands WHERE rollout_id = ? AND status IN ('pending', 'queued', 'delivered', 'running')",
      [.text(rollout.id)])
    return max(rollout.counts.sent, try rows.first?.int("n") ?? 0)
  }

  private mutating func complete() {
    rollout.state = .completed
    rollout.finishedAt = now
    rollout.reason = rollout.counts.total == 0 ? "no agent matched the target" : nil
    step.reason = rollout.reason
    events.append(rollout.event("rollout.completed"))
  }

  private mutating func pause(_ errors: Int, _ tolerated: Int, _ inCanary: Bool) async throws {
    let first = try await connection.query(
      """
      SELECT logical_agent_id, state, error FROM rollout_targets WHERE rollout_id = ? AND state IN ('failed', 'timed_out', 'cancelled') \
      ORDER BY ended_at DESC, agent_key LIMIT ?
      """, [.text(rollout.id), .int(Int64(RolloutPauseReason.shown))])
    let reason = RolloutPauseReason(
      errors: errors, tolerated: tolerated, maxErrors: rollout.maxErrors, inCanary: inCanary,
      first: try first.map { row in
        RolloutPauseReason.Culprit(
          name: try row.string("logical_agent_id"), state: try row.string("state"), error: try row.optionalString("error"))
      })
    rollout.state = .paused
    rollout.pausedAt = now
    rollout.reason = "\(reason)"
    step.reason = rollout.reason
    events.append(rollout.event("rollout.paused"))
  }

  /// Lets targets whose command ended badly wait again, as far as that was ordered; `false` while there are more of them.
  private mutating func retry() async throws -> Bool {
    guard let before = rollout.retryBefore else { return true }
    for state in RolloutTargetState.errors {
      // Without the old command's id: its end is known and is not to be taken for the new one's.
      let moved = try await connection.execute(
        """
        UPDATE rollout_targets SET state = 'waiting', command_id = NULL, error = NULL, ended_at = NULL \
        WHERE rollout_id = ? AND state = ? AND ended_at <= ? ORDER BY agent_key LIMIT ?
        """, [.text(rollout.id), .text(state.rawValue), .timestamp(before), .int(Int64(RolloutStore.movedAtOnce))]
      ).matchedRows
      rollout.counts.move(moved, from: state, to: .waiting)
      step.moved += moved
      if moved == RolloutStore.movedAtOnce {
        step.hasMore = true
        return false
      }
    }
    rollout.retryBefore = nil
    hasChanged = true
    return true
  }

  /// Writes commands for up to `count` targets whose agents are online.
  private mutating func start(_ count: Int) async throws {
    let limit = min(count, RolloutStore.startedAtOnce)
    let candidates = try await candidates(limit)
    var drafts: [CommandDraft] = []
    var started: [(key: Int64, commandID: String)] = []
    var recalled: [Int64] = []
    for row in candidates {
      let key = Int64(try row.int("agent_key"))
      let status = try row.optionalString("status")
      // The command that its server had given up for undelivered reached the agent after all: it is the one to wait for.
      guard status == nil || status == CommandStatus.expired.rawValue || status == CommandStatus.undeliverable.rawValue else {
        recalled.append(key)
        continue
      }
      let draft = try rollout.draft(agentID: try row.string("agent_id"), clientID: try row.string("client_id"))
      drafts.append(draft)
      started.append((key, draft.id))
    }
    if !drafts.isEmpty {
      try await CommandStore.insert(drafts, on: connection)
      try await mark(started)
    }
    if !recalled.isEmpty {
      var sql: SQLText = "UPDATE rollout_targets SET state = 'sent' WHERE rollout_id = "
      sql.append(.text(rollout.id))
      sql.append(sql: " AND agent_key IN (")
      sql.append(list: recalled.map { .int($0) })
      sql.append(sql: ")")
      try await connection.executeText(sql)
    }
    rollout.counts.move(candidates.count, from: .waiting, to: .sent)
    step.started += drafts.count
    step.moved += recalled.count
    if candidates.count == limit {
      step.hasMore = step.hasMore || limit < count
    } else if isThorough {
      // Everybody else who waits is away.
      try await forgetDeletedAgents()
      if let giveUpAt = rollout.giveUpAt, giveUpAt <= now { try await giveUp() }
    }
  }

  /// In the targets' own order and no further than needed: with the index and STRAIGHT_JOIN, and with what became of a former command as a subquery, which is
  /// asked of the chosen ones only. Joined, it made MariaDB sort all that wait.
  private func candidates(_ limit: Int) async throws -> [Row] {
    try await connection.query(
      """
      SELECT t.agent_key, t.agent_id, t.client_id, (SELECT c.status FROM commands c WHERE c.id = t.command_id) AS status \
      FROM rollout_targets t FORCE INDEX (rollout_targets_next) STRAIGHT_JOIN agents a ON a.agent_key = t.agent_key \
      WHERE t.rollout_id = ? AND t.state = 'waiting' AND a.status IN \(RolloutStore.reachable) AND \(RolloutStore.canBeGiven(rollout.commandType)) \
      AND (t.ended_at IS NULL OR t.ended_at <= NOW(3) - INTERVAL LEAST(t.attempts * t.attempts * 5, 600) SECOND) ORDER BY t.place LIMIT ?
      """, [.text(rollout.id), .int(Int64(limit))])
  }

  private func mark(_ started: [(key: Int64, commandID: String)]) async throws {
    var sql: SQLText =
      "UPDATE rollout_targets SET state = 'sent', attempts = attempts + 1, sent_at = NOW(3), ended_at = NULL, error = NULL, command_id = CASE agent_key"
    for target in started {
      sql.append(sql: " WHEN ")
      sql.append(.int(target.key))
      sql.append(sql: " THEN ")
      sql.append(.text(target.commandID))
    }
    sql.append(sql: " END WHERE rollout_id = ")
    sql.append(.text(rollout.id))
    sql.append(sql: " AND agent_key IN (")
    sql.append(list: started.map { .int($0.key) })
    sql.append(sql: ")")
    try await connection.executeText(sql)
  }
}

extension RolloutStore {
  /// The agents that get their command at once: those that give signs of life and take work.
  static let reachable = "('online', 'error')"

  /// The condition that an agent could run a command of this name: one that polls runs few, and is waited for until it has moved to AMQP.
  static func canBeGiven(_ commandType: String) -> String {
    PolledCommand.types.contains(commandType) ? "(a.queue IS NOT NULL OR a.transport = 'http')" : "(a.queue IS NOT NULL)"
  }

  /// How often a target gets a command that does not reach its agent, although that seems to be online. The pauses in between grow from five seconds to ten
  /// minutes.
  static let mostAttempts = 10
}
