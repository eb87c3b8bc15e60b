import FleetProtocol
import MySQL
import ServiceRuntime

/// A row of `rollouts`.
public struct Rollout: Sendable, Equatable {
  /// `rollouts.id`.
  public let id: String
  /// Where it stands.
  public internal(set) var state: RolloutState
  /// Why it stands so, where there is something to say.
  public internal(set) var reason: String?
  /// What is run.
  public let commandType: String
  /// Its arguments, JSON as it was written.
  public let parameters: String?
  /// Whom it is for, as it was written.
  public let target: String
  /// Commands under way at most, as it was written.
  public let concurrency: RolloutShare
  /// Errors that are tolerated, as it was written.
  public let maxErrors: RolloutShare
  /// How many go first, as it was written.
  public let canary: RolloutShare?
  /// The three as numbers; `nil` until the targets are known.
  public let policy: RolloutPolicy?
  /// How urgent its commands are.
  public let priority: Int
  /// How long each command may run, in seconds.
  public let timeoutSeconds: Int
  /// Within which time each command is to be started, in seconds.
  public let deliverWithinSeconds: Int
  /// How long agents that are away are waited for, in seconds from the start.
  public let lifetimeSeconds: Int
  /// Who wrote it.
  public let createdBy: String?
  /// When it was written.
  public let createdAt: Timestamp
  /// When it is to begin; `nil`: at once.
  public let startAt: Timestamp?
  /// When its first command was allowed.
  public internal(set) var startedAt: Timestamp?
  /// Since when it is paused.
  public internal(set) var pausedAt: Timestamp?
  /// When those that are away are given up.
  public internal(set) var giveUpAt: Timestamp?
  /// When the last target had ended.
  public internal(set) var finishedAt: Timestamp?
  /// Errors up to here are to be tried again.
  public internal(set) var retryBefore: Timestamp?
  /// Whether its cancelling also asks for the commands that are under way.
  public let cancelsRunning: Bool
  /// How its targets stand.
  public internal(set) var counts: RolloutCounts
  /// The greatest `agents.agent_key` that was looked at for its targets.
  let preparedTo: Int64

  static let columns = """
    id, state, reason, command_type, parameters, target, concurrency, max_errors, canary, concurrency_limit, error_limit, canary_size, \
    canary_error_limit, errors_forgiven, priority, timeout_seconds, deliver_within_seconds, lifetime_seconds, created_by, created_at, start_at, \
    prepared_to, started_at, paused_at, give_up_at, finished_at, retry_before, cancel_running, waiting, sent, succeeded, failed, timed_out, \
    cancelled, called_off, given_up, gone
    """

  init(_ row: Row) throws {
    let id = try row.string("id")
    self.id = id
    state = try row.word(RolloutState.self, "state", table: "rollouts", id: id)
    reason = try row.optionalString("reason")
    commandType = try row.string("command_type")
    parameters = try row.optionalString("parameters")
    target = try row.string("target")
    concurrency = try Self.share(try row.string("concurrency"), "concurrency", id)
    maxErrors = try Self.share(try row.string("max_errors"), "max_errors", id)
    canary = try row.optionalString("canary").map { try Self.share($0, "canary", id) }
    policy = try Self.policy(row)
    priority = try row.int("priority")
    timeoutSeconds = try row.int("timeout_seconds")
    deliverWithinSeconds = try row.int("deliver_within_seconds")
    lifetimeSeconds = try row.int("lifetime_seconds")
    createdBy = try row.optionalString("created_by")
    createdAt = try row.timestamp("created_at")
    startAt = try row.optionalTimestamp("start_at")
    startedAt = try row.optionalTimestamp("started_at")
    pausedAt = try row.optionalTimestamp("paused_at")
    giveUpAt = try row.optionalTimestamp("give_up_at")
    finishedAt = try row.optionalTimestamp("finished_at")
    retryBefore = try row.optionalTimestamp("retry_before")
    cancelsRunning = try row.bool("cancel_running")
    var counts = RolloutCounts()
    for state in RolloutTargetState.allCases { counts[state] = try row.int(state.rawValue) }
    self.counts = counts
    preparedTo = Int64(try row.int("prepared_to"))
  }

  private static func share(_ text: String, _ column: String, _ id: String) throws -> RolloutShare {
    guard let share = RolloutShare(text) else {
      throw StoreError(
        table: "rollouts", id: id,
        problem: "column rollouts.\(column) is '\(printable(text))'; it must be a number or a percentage, such as 50 or 10%")
    }
    return share
  }

  private static func policy(_ row: Row) throws -> RolloutPolicy? {
    guard let concurrency = try row.optionalInt("concurrency_limit"), let tolerated = try row.optionalInt("error_limit"),
      let canary = try row.optionalInt("canary_size"), let toleratedInCanary = try row.optionalInt("canary_error_limit")
    else { return nil }
    return RolloutPolicy(
      concurrency: concurrency, tolerated: tolerated, canary: canary, toleratedInCanary: toleratedInCanary,
      forgiven: try row.int("errors_forgiven"))
  }
}

extension Rollout {
  /// An event about this rollout as it stands.
  func event(_ type: String) -> FleetEvent {
    var data: [String: JSONValue] = [
      "rollout_id": .string(id), "state": .string(state.rawValue), "command_type": .string(commandType), "target": .string(target),
      "targets": .int(Int64(counts.total)),
    ]
    for state in RolloutTargetState.allCases { data[state.rawValue] = .int(Int64(counts[state])) }
    if let reason { data["reason"] = .string(reason) }
    if let createdBy { data["created_by"] = .string(createdBy) }
    return FleetEvent(type, clientID: nil, subject: id, data: .object(data))
  }

  /// What one target's command is.
  func draft(agentID: String, clientID: String) throws(MessageError) -> CommandDraft {
    var draft = CommandDraft(agentID: agentID, clientID: clientID, commandType: commandType)
    if let parameters { draft.parameters = try WireCoding.decodeJSON(JSONValue.self, from: Array(parameters.utf8)) }
    draft.priority = priority
    draft.timeoutSeconds = timeoutSeconds
    draft.deliverWithin = .seconds(deliverWithinSeconds)
    draft.source = "rollout:\(id)"
    draft.rolloutID = id
    return draft
  }
}
