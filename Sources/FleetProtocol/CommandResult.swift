import ServiceRuntime

/// The end of a command: type `result`.
public struct CommandResult: FleetMessage {
  /// `result`.
  public static let type = MessageType.result
  /// It carries a command's whole output, whose characters may be escaped.
  public static let bodyLimit = MessageLimits.resultBodyBytes

  /// How a command ended.
  public enum Outcome: String, WireEnum {
    /// It did what it was to do.
    case succeeded
    /// It did not; `error` says why.
    case failed
    /// It did not end within its time and was killed.
    case timedOut = "timed_out"
    /// It was called off: before it was started, or while it ran and was then killed. `error` says which.
    case cancelled
    /// Its `expires_at` had passed before it could be started.
    case expired
  }

  /// The command's id.
  public var commandID: String
  /// The agent that ran it.
  public var agentID: String
  /// How it ended.
  public var status: Outcome
  /// What a built-in command gave back.
  public var output: JSONValue?
  /// The exit code of an executable that ended by itself.
  public var exitCode: Int?
  /// Standard output of an executable, UTF-8 (what is none is replaced); both streams together are `MessageLimits.outputBytes` at most.
  public var standardOutput: String?
  /// Standard error of an executable, likewise.
  public var standardError: String?
  /// Bytes the executable wrote to standard output; more than there are in `standardOutput` when it was cut.
  public var standardOutputBytes: Int?
  /// Bytes the executable wrote to standard error.
  public var standardErrorBytes: Int?
  /// Why it failed.
  public var error: String?
  /// When the agent began, by its clock.
  public var startedAt: Timestamp
  /// When it was done, by the agent's clock.
  public var finishedAt: Timestamp
  /// When the agent sent this, by its clock: later than `finishedAt` when the broker was away.
  public var sentAt: Timestamp

  /// A result; see the properties.
  public init(
    commandID: String, agentID: String, status: Outcome, output: JSONValue? = nil, exitCode: Int? = nil, standardOutput: String? = nil,
    standardError: String? = nil, standardOutputBytes: Int? = nil, standardErrorBytes: Int? = nil, error: String? = nil,
    startedAt: Timestamp, finishedAt: Timestamp, sentAt: Timestamp
  ) {
    self.commandID = commandID
    self.agentID = agentID
    self.status = status
    self.output = output
    self.exitCode = exitCode
    self.standardOutput = standardOutput
    self.standardError = standardError
    self.standardOutputBytes = standardOutputBytes
    self.standardErrorBytes = standardErrorBytes
    self.error = error
    self.startedAt = startedAt
    self.finishedAt = finishedAt
    self.sentAt = sentAt
  }

  /// Lengths.
  public func validate() throws(MessageError) {
    try MessageLimits.text(commandID, "command_id", most: MessageLimits.identifierBytes)
    try MessageLimits.text(agentID, "agent_id", most: MessageLimits.identifierBytes)
    try MessageLimits.number(exitCode, "exit_code", in: 0...255)
    try MessageLimits.prose(standardOutput, "stdout", most: MessageLimits.outputBytes)
    try MessageLimits.prose(standardError, "stderr", most: MessageLimits.outputBytes)
    try MessageLimits.number(standardOutputBytes, "stdout_bytes", in: 0...Int.max)
    try MessageLimits.number(standardErrorBytes, "stderr_bytes", in: 0...Int.max)
    try MessageLimits.prose(error, "error", most: MessageLimits.errorBytes)
  }

  enum CodingKeys: String, CodingKey {
    case commandID = "command_id"
    case agentID = "agent_id"
    case status, output, error
    case exitCode = "exit_code"
    case standardOutput = "stdout"
    case standardError = "stderr"
    case standardOutputBytes = "stdout_bytes"
    case standardErrorBytes = "stderr_bytes"
    case startedAt = "started_at"
    case finishedAt = "finished_at"
    case sentAt = "sent_at"
  }
}
