import FleetProtocol
import MySQL
import ServiceRuntime

// Ends that the server gives to commands of which no agent will speak any more. Candidates are read without locks by a range of an index, at most
// `limit` at once, and looked at again when they are locked; what another server holds is left to it.
extension CommandStore {
  /// How long after its time a command that an agent has in its journal is waited for: its report may be on the way.
  public static let deliveryGrace = Duration.seconds(60)
  /// How long after its time a running command's result is waited for.
  public static let executionGrace = Duration.seconds(30)
  /// Rows ended in one transaction.
  public static let closedAtOnce = 1000

  /// Ends a command that can never be sent, with the reason.
  public func closeUndeliverable(_ seq: Int64, reason: String) async throws {
    try await close([seq], by: .undeliverable) { _ in reason }
  }

  /// Ends commands that were not started before their `expires_at`; returns how many. What an agent has fetched by polling counts as started and has a time of
  /// its own (`run_until`). Cheap: for every sweep.
  @discardableResult
  public func closeExpired(limit: Int = closedAtOnce) async throws -> Int {
    var count = 0
    // One status at a time, because that is a range of the index.
    for (status, grace) in [(CommandStatus.pending, Duration.zero), (.queued, .zero), (.delivered, Self.deliveryGrace)] {
      let seqs = try await keys(
        """
        SELECT seq FROM commands WHERE status = ? AND expires_at <= NOW(3) - INTERVAL ? MICROSECOND AND run_until IS NULL \
        ORDER BY expires_at LIMIT ?
        """,
        [.text(status.rawValue), .int(grace.milliseconds * 1000), .int(Int64(limit))])
      count += try await close(seqs, by: .overdue) { row in
        row.lifecycle.status == .delivered
          ? "its agent had it and did not start it before its expires_at" : "it was not delivered before its expires_at"
      }
    }
    return count
  }

  /// Ends running commands, and those that were fetched by polling, whose agents stay silent past their time; returns how many. Cheap: for every sweep.
  @discardableResult
  public func closeOverrun(limit: Int = closedAtOnce) async throws -> Int {
    var count = 0
    // One status at a time, because that is a range of the index.
    for status in [CommandStatus.running, .delivered] {
      let seqs = try await keys(
        "SELECT seq FROM commands WHERE status = ? AND run_until <= NOW(3) ORDER BY run_until LIMIT ?",
        [.text(status.rawValue), .int(Int64(limit))])
      count += try await close(seqs, by: .overrun, " AND run_until <= NOW(3)") { $0.endOfOverrun }
    }
    return count
  }

  /// Ends commands whose agent is not there any more; returns how many. Looks at every command under way: for every half minute.
  @discardableResult
  public func closeOrphaned(limit: Int = closedAtOnce) async throws -> Int {
    let seqs = try await keys(
      """
      SELECT c.seq FROM commands c LEFT JOIN agents a ON a.id = c.agent_id WHERE c.status IN ('pending', 'queued', 'delivered') \
      AND a.id IS NULL ORDER BY c.seq LIMIT ?
      """, [.int(Int64(limit))])
    return try await close(seqs, by: .undeliverable) { _ in "there is no agent with this agent_id" }
  }

  /// Ends called off commands of which no answer is to be waited for: sent again nowhere, or their agents offline, gone, without a queue or polling; returns
  /// how many. Cheap: only what was called off and is open is looked at.
  @discardableResult
  public func closeUnansweredCancellations(limit: Int = closedAtOnce) async throws -> Int {
    let rows = try await pool.withConnection { connection in
      try await connection.query(
        """
        SELECT c.seq, COALESCE(a.transport, '') AS transport FROM commands c FORCE INDEX (commands_cancel) \
        LEFT JOIN agents a ON a.id = c.agent_id \
        WHERE c.status IN ('pending', 'queued', 'delivered') AND c.cancel_requested_at IS NOT NULL AND (a.id IS NULL OR a.queue IS NULL \
        OR (c.cancel_generation = a.generation AND (c.status = 'pending' OR a.status IN ('offline', 'deleted')))) ORDER BY c.seq LIMIT ?
        """, [.int(Int64(limit))])
    }
    var polled: [Int64] = []
    var others: [Int64] = []
    for row in rows {
      let seq = Int64(try row.int("seq"))
      if try row.string("transport") == AgentTransport.http.rawValue { polled.append(seq) } else { others.append(seq) }
    }
    return try await close(polled, by: .cancelUnanswered) { $0.endOfPolledCancellation }
      + close(others, by: .cancelUnanswered) { $0.endOfUnansweredCancellation("its agent is offline or gone") }
  }

  /// Locks, decides, ends and tells, in one transaction; rows that others hold are left to them.
  @discardableResult
  func close(
    _ seqs: [Int64], by event: CommandLifecycle.Event, _ condition: StaticString = "", _ reason: @Sendable (LockedCommand) -> String
  ) async throws -> Int {
    guard !seqs.isEmpty else { return 0 }
    return try await pool.transaction { connection in
      let rows = try await Self.lock(seqs, condition, skippingLocked: true, on: connection).rows
      let moves = Self.moves(rows, by: event)
      for (text, group) in Dictionary(grouping: moves, by: { reason($0.row) }) {
        try await Self.end(group, text, on: connection)
      }
      return moves.count
    }
  }
}

extension LockedCommand {
  /// Where a called off command was when the server ended it, and why it did not wait for the agent.
  func endOfUnansweredCancellation(_ why: String) -> String {
    switch lifecycle.status {
    case .queued: "cancelled in the agent's queue; \(why)"
    case .delivered: "cancelled before it was started, as far as the server knows; \(why)"
    default: "cancelled before it was sent"
    }
  }

  /// The same for an agent that polls: it can only be given nothing more.
  var endOfPolledCancellation: String {
    switch lifecycle.status {
    case .queued: "cancelled before its agent fetched it"
    default: endOfUnansweredCancellation("its agent polls over HTTP and cannot be told")
    }
  }

  /// Why the server ends a command whose agent stays silent.
  var endOfOverrun: String {
    if lifecycle.status == .delivered {
      return "its agent fetched it over HTTP and did not report its end in time; whether it ran is not known"
    }
    return "the agent stayed silent: no result \(CommandStore.executionGrace.shortText) after the"
      + " \(timeoutSeconds ?? Command.defaultTimeoutSeconds)s that it may run" + (isCancelRequested ? "; it had been called off" : "")
  }
}
