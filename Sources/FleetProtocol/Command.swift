import ServiceRuntime

/// A command for one agent: type `command`, through the agent's queue.
public struct Command: FleetMessage {
  /// `command`.
  public static let type = MessageType.command

  /// The command's id (`commands.id`); an agent runs each id once.
  public var id: String
  /// The agent it is meant for; any other refuses it.
  public var agentID: String
  /// What to run: `ping`, `describe`, `configure`, or the name of a file in the agent's commands folder.
  public var commandType: String
  /// Its arguments: an object, empty when the field is absent.
  public var parameters: JSONValue
  /// How urgent it is, 0 to 255; see `CommandPriority`.
  public var priority: Int
  /// When it was written, by the server's clock.
  public var createdAt: Timestamp
  /// After this the agent must not start it.
  public var expiresAt: Timestamp?
  /// How long it may run, in seconds; `defaultTimeoutSeconds` when it is absent.
  public var timeoutSeconds: Int?
  /// Whether its output is to be published while it runs (`CommandOutput`): somebody follows it.
  public var streamsOutput: Bool

  /// How long a command may run that says nothing else.
  public static let defaultTimeoutSeconds = 60

  /// A command; see the properties.
  public init(
    id: String, agentID: String, commandType: String, parameters: JSONValue = .object([:]), priority: Int = CommandPriority.normal,
    createdAt: Timestamp, expiresAt: Timestamp? = nil, timeoutSeconds: Int? = nil, streamsOutput: Bool = false
  ) {
    self.id = id
    self.agentID = agentID
    self.commandType = commandType
    self.parameters = parameters
    self.priority = priority
    self.createdAt = createdAt
    self.expiresAt = expiresAt
    self.timeoutSeconds = timeoutSeconds
    self.streamsOutput = streamsOutput
  }

  /// Decodes; absent or null `parameters` are an empty object, an absent `stream_output` is false.
  public init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    id = try fields.decode(String.self, forKey: .id)
    agentID = try fields.decode(String.self, forKey: .agentID)
    commandType = try fields.decode(String.self, forKey: .commandType)
    parameters = try fields.decodeIfPresent(JSONValue.self, forKey: .parameters) ?? .object([:])
    priority = try fields.decode(Int.self, forKey: .priority)
    createdAt = try fields.decode(Timestamp.self, forKey: .createdAt)
    expiresAt = try fields.decodeIfPresent(Timestamp.self, forKey: .expiresAt)
    timeoutSeconds = try fields.decodeIfPresent(Int.self, forKey: .timeoutSeconds)
    streamsOutput = try fields.decodeIfPresent(Bool.self, forKey: .streamsOutput) ?? false
  }

  /// Lengths and ranges; parameters must be an object.
  public func validate() throws(MessageError) {
    try MessageLimits.text(id, "id", most: MessageLimits.identifierBytes)
    try MessageLimits.text(agentID, "agent_id", most: MessageLimits.identifierBytes)
    try MessageLimits.text(commandType, "command_type", most: MessageLimits.commandTypeBytes)
    guard case .object = parameters else { throw MessageError(field: "parameters", problem: "is no object; it must be one, such as {}") }
    try MessageLimits.number(priority, "priority", in: CommandPriority.range)
    try MessageLimits.number(timeoutSeconds, "timeout_seconds", in: 1...MessageLimits.longestSeconds)
  }

  /// Whether an agent could have a command of this name: a built-in one's, or that of a file in a folder and no path. Throws what is wrong with it, as `command_type`.
  public static func validate(name: String) throws(MessageError) {
    let field = "command_type"
    try MessageLimits.text(name, field, most: MessageLimits.commandTypeBytes)
    guard !name.utf8.contains(UInt8(ascii: "/")) else {
      throw MessageError(
        field: field, problem: "is '\(shown(name))', a path; it must be the name of a file in the agents' commands folders")
    }
    guard name.utf8.first != UInt8(ascii: ".") else {
      throw MessageError(field: field, problem: "is '\(shown(name))', which begins with a dot; no such file is ever run")
    }
  }

  enum CodingKeys: String, CodingKey {
    case id
    case agentID = "agent_id"
    case commandType = "command_type"
    case parameters, priority
    case createdAt = "created_at"
    case expiresAt = "expires_at"
    case timeoutSeconds = "timeout_seconds"
    case streamsOutput = "stream_output"
  }
}

/// The priorities in use; a higher number goes first.
public enum CommandPriority {
  /// Critical or emergency.
  public static let critical = 100
  /// A person's override.
  public static let override = 75
  /// Urgent.
  public static let urgent = 50
  /// The default.
  public static let normal = 25
  /// Scheduled work.
  public static let scheduled = 10
  /// What a command may carry.
  public static let range = 0...255

  /// The place of a priority in an agent's queue (`Topology.queuePriorities`): RabbitMQ keeps a queue of its own for every level, so there are as
  /// few as the priorities in use. A number in between goes with the next lower one; 0 is the lowest, `cancellationLevel` overtakes all.
  public static func level(of priority: Int) -> UInt8 {
    switch priority {
    case ..<normal: 0
    case ..<urgent: 1
    case ..<override: 2
    case ..<critical: 3
    default: 4
    }
  }

  /// The level of a `CommandCancellation`: above every command.
  public static let cancellationLevel: UInt8 = 5
}

/// Where a command stands (`commands.status`).
public enum CommandStatus: String, WireEnum {
  /// Written, not yet sent.
  case pending
  /// In the agent's queue.
  case queued
  /// Written to the agent's journal.
  case delivered
  /// Being run.
  case running
  /// Ended well.
  case succeeded
  /// Ended badly.
  case failed
  /// Did not end within its time.
  case timedOut = "timed_out"
  /// Was not delivered within its time.
  case expired
  /// Called off.
  case cancelled
  /// There was nowhere to send it to.
  case undeliverable

  /// Whether nothing will change it any more.
  public var isFinal: Bool {
    switch self {
    case .pending, .queued, .delivered, .running: false
    case .succeeded, .failed, .timedOut, .expired, .cancelled, .undeliverable: true
    }
  }
}
