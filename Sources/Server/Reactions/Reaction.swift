import MySQL
import ServiceRuntime

/// A row of `reactions`: when something happens to an agent, these agents are to run this. `ReactionPlan` is what it means.
public struct Reaction: Sendable, Equatable {
  /// `reactions.id`.
  public var id = randomUUID()
  /// What people call it.
  public var name: String
  /// The event: `agent.interruption`.
  public var eventType: String
  /// The client whose agents' events count; `nil` for every client's.
  public var clientID: String?
  /// A target expression that the event's agent has to fulfil; `nil` for any agent.
  public var agentCondition: String?
  /// Who is to run it: `self`, or a target expression over the agents of the event's client, placeholders allowed.
  public var target: String
  /// What to run.
  public var commandType: String
  /// Its arguments: JSON, an object, placeholders allowed in its texts.
  public var parameters = "{}"
  /// How urgent the commands are.
  public var priority = Reaction.defaultPriority
  /// Within how many seconds they are to be started; `nil` for ever.
  public var deliverWithinSeconds: Int?
  /// How many seconds they may run; `nil` for the agents' default.
  public var timeoutSeconds: Int?
  /// Commands in any minute, at most.
  public var limitPerMinute = Reaction.defaultLimit
  /// Whether it is in force.
  public var isEnabled = true
  /// When the row was made.
  public var createdAt = Timestamp.now()

  /// `reactions.priority` unless something else is said: these commands are the reason why there are priorities.
  public static let defaultPriority = 100
  /// `reactions.limit_per_minute` unless something else is said.
  public static let defaultLimit = 60
  /// What a limit may be.
  public static let limits = 1...10_000
  /// `target`: the agent that the event is about.
  public static let ownAgent = "self"

  static let columns = """
    id, name, event_type, client_id, agent_condition, target, command_type, parameters, priority, deliver_within_seconds, timeout_seconds, \
    limit_per_minute, is_enabled, created_at
    """

  /// A reaction of the things that every one has.
  public init(name: String, on eventType: String, target: String, run commandType: String) {
    self.name = name
    self.eventType = eventType
    self.target = target
    self.commandType = commandType
  }

  init(_ row: Row) throws {
    id = try row.string("id")
    name = try row.string("name")
    eventType = try row.string("event_type")
    clientID = try row.optionalString("client_id")
    agentCondition = try row.optionalString("agent_condition")
    target = try row.string("target")
    commandType = try row.string("command_type")
    parameters = try row.string("parameters")
    priority = try row.int("priority")
    deliverWithinSeconds = try row.optionalInt("deliver_within_seconds")
    timeoutSeconds = try row.optionalInt("timeout_seconds")
    limitPerMinute = try row.int("limit_per_minute")
    isEnabled = try row.int("is_enabled") != 0
    createdAt = try row.timestamp("created_at")
  }

  /// `commands.source` of what it writes.
  public var source: String { "reaction:\(name)" }
}
