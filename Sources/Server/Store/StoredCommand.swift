import FleetProtocol
import MySQL
import ServiceRuntime

/// A row of `commands`.
public struct StoredCommand: Sendable, Equatable {
  /// `commands.seq`: the order of writing.
  public let seq: Int64
  /// `commands.id`.
  public let id: String
  /// `commands.agent_id`.
  public let agentID: String
  /// What to run.
  public let commandType: String
  /// Its arguments, JSON as it was written.
  public let parameters: String?
  /// How urgent it is; a higher number goes first.
  public let priority: Int
  /// Where it stands.
  public let status: CommandStatus
  /// When it was written.
  public let createdAt: Timestamp
  /// After this it is not to start.
  public let expiresAt: Timestamp?
  /// How long it may run, in seconds.
  public let timeoutSeconds: Int?
  /// How often a dispatcher has tried to send it.
  public let attempts: Int
  /// When the broker had taken it.
  public let queuedAt: Timestamp?
  /// When the agent had it in its journal, by the agent's clock.
  public let deliveredAt: Timestamp?
  /// When the agent began, by the agent's clock.
  public let startedAt: Timestamp?
  /// When it was done.
  public let finishedAt: Timestamp?
  /// When somebody called it off.
  public let cancelRequestedAt: Timestamp?
  /// Whose word its end is.
  public let endedBy: CommandEnder?
  /// What a built-in command gave back, JSON.
  public let output: String?
  /// The exit code of an executable that ended by itself.
  public let exitCode: Int?
  /// Bytes that the executable wrote to standard output; `CommandStore.outputTexts` has them, or what is kept of them.
  public let standardOutputBytes: Int?
  /// Bytes that the executable wrote to standard error.
  public let standardErrorBytes: Int?
  /// Whether its output is published while it runs.
  public let streamsOutput: Bool
  /// Who wrote it.
  public let source: String?
  /// The rollout it belongs to.
  public let rolloutID: String?
  /// Why it failed, or why it has not been sent so far.
  public let error: String?

  static let columns = """
    seq, id, agent_id, command_type, parameters, priority, status, created_at, expires_at, timeout_seconds, attempts, queued_at, \
    delivered_at, started_at, finished_at, cancel_requested_at, ended_by, output, exit_code, stdout_bytes, stderr_bytes, stream_output, source, \
    rollout_id, error
    """

  init(_ row: Row) throws {
    let id = try row.string("id")
    seq = Int64(try row.int("seq"))
    self.id = id
    agentID = try row.string("agent_id")
    commandType = try row.string("command_type")
    parameters = try row.optionalString("parameters")
    priority = try row.int("priority")
    status = try row.word(CommandStatus.self, "status", table: "commands", id: id)
    createdAt = try row.timestamp("created_at")
    expiresAt = try row.optionalTimestamp("expires_at")
    timeoutSeconds = try row.optionalInt("timeout_seconds")
    attempts = try row.int("attempts")
    queuedAt = try row.optionalTimestamp("queued_at")
    deliveredAt = try row.optionalTimestamp("delivered_at")
    startedAt = try row.optionalTimestamp("started_at")
    finishedAt = try row.optionalTimestamp("finished_at")
    cancelRequestedAt = try row.optionalTimestamp("cancel_requested_at")
    endedBy = try row.optionalString("ended_by").flatMap(CommandEnder.init)
    output = try row.optionalString("output")
    exitCode = try row.optionalInt("exit_code")
    standardOutputBytes = try row.optionalInt("stdout_bytes")
    standardErrorBytes = try row.optionalInt("stderr_bytes")
    streamsOutput = try row.int("stream_output") != 0
    source = try row.optionalString("source")
    rolloutID = try row.optionalString("rollout_id")
    error = try row.optionalString("error")
  }
}

/// A command that this dispatcher may send until its lease ends: the row, and where its agent is reached.
public struct ClaimedCommand: Sendable, Equatable {
  /// `commands.seq`.
  public let seq: Int64
  /// `commands.id`.
  public let id: String
  /// The agent it is for.
  public let agentID: String
  /// The agent's own name.
  public let logicalAgentID: String
  /// The agent's client.
  public let clientID: String
  /// The agent's queue, which is also the routing key.
  public let queue: String
  /// The queue's generation.
  public let generation: Int
  /// What to run.
  public let commandType: String
  /// Its arguments, JSON as it was written.
  public let parameters: String?
  /// How urgent it is.
  public let priority: Int
  /// When it was written.
  public let createdAt: Timestamp
  /// After this it is not to start.
  public let expiresAt: Timestamp?
  /// How long it may run, in seconds.
  public let timeoutSeconds: Int?
  /// Whether its output is published while it runs.
  public let streamsOutput: Bool
  /// How often it has been tried, this time included.
  public let attempts: Int

  static let columns: StaticString = """
    c.seq, c.id, c.agent_id, c.command_type, c.parameters, c.priority, c.created_at, c.expires_at, c.timeout_seconds, c.stream_output, c.attempts, \
    a.client_id, a.logical_agent_id, a.queue, a.generation
    """
}

extension ClaimedCommand {
  init(_ row: Row) throws {
    seq = Int64(try row.int("seq"))
    id = try row.string("id")
    agentID = try row.string("agent_id")
    logicalAgentID = try row.string("logical_agent_id")
    clientID = try row.string("client_id")
    queue = try row.string("queue")
    generation = try row.int("generation")
    commandType = try row.string("command_type")
    parameters = try row.optionalString("parameters")
    priority = try row.int("priority")
    createdAt = try row.timestamp("created_at")
    expiresAt = try row.optionalTimestamp("expires_at")
    timeoutSeconds = try row.optionalInt("timeout_seconds")
    streamsOutput = try row.int("stream_output") != 0
    attempts = try row.int("attempts") + 1
  }
}
