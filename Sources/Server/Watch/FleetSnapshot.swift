import FleetProtocol
import ServiceRuntime

/// How a fleet is at one moment: what `spotctl watch` shows.
public struct FleetSnapshot: Sendable, Equatable {
  /// How many rows have a status.
  public struct Count: Sendable, Equatable {
    /// The status as the rows have it.
    public let status: String
    /// How many have it.
    public let number: Int

    /// A count.
    public init(_ status: String, _ number: Int) {
      self.status = status
      self.number = number
    }
  }

  /// A rollout that has not ended.
  public struct Rollout: Sendable, Equatable {
    /// `rollouts.id`.
    public let id: String
    /// What is run.
    public let command: String
    /// `running`, `paused`, …
    public let state: String
    /// Agents it is for.
    public let total: Int
    /// Agents for which it has come to an end, good or bad.
    public let ended: Int
    /// Those of them that ended badly.
    public let failed: Int

    /// A rollout; see the properties.
    public init(id: String, command: String, state: String, total: Int, ended: Int, failed: Int) {
      self.id = id
      self.command = command
      self.state = state
      self.total = total
      self.ended = ended
      self.failed = failed
    }
  }

  /// Something that happened.
  public struct Event: Sendable, Equatable {
    /// `fleet_events.seq`.
    public let seq: Int64
    /// When, by the database's clock.
    public let time: Timestamp
    /// `command.succeeded`.
    public let type: String
    /// What it happened to, by the name that people know: an agent's logical id where there is one.
    public let subject: String
    /// What else there is to say, in a few words.
    public let detail: String

    /// An event; see the properties.
    public init(seq: Int64, time: Timestamp, type: String, subject: String, detail: String) {
      self.seq = seq
      self.time = time
      self.type = type
      self.subject = subject
      self.detail = detail
    }
  }

  /// The database's clock.
  public var time: Timestamp
  /// Agents by status; those that none has are not in it.
  public var agents: [Count] = []
  /// Commands that have not ended, by status.
  public var commands: [Count] = []
  /// The newest and the oldest heartbeat of the agents that are neither offline nor deleted; `nil` when there are none.
  public var newestHeartbeat: Timestamp?
  /// See `newestHeartbeat`.
  public var oldestHeartbeat: Timestamp?
  /// Rollouts that have not ended, the newest first.
  public var rollouts: [Rollout] = []
  /// The newest events, newest first.
  public var events: [Event] = []

  /// A fleet without anything.
  public init(time: Timestamp) { self.time = time }
}

extension FleetSnapshot.Event {
  /// Reads the data of an event; `names` has the logical ids of agents by their ids.
  init(seq: Int64, time: Timestamp, type: String, subject: String, data: JSONValue, names: [String: String]) {
    let agentID = Self.agentID(type: type, subject: subject, data: data)
    self.init(
      seq: seq, time: time, type: type, subject: Self.text(data["logical_agent_id"]) ?? agentID.flatMap { names[$0] } ?? subject,
      detail: Self.detailKeys.compactMap { Self.text(data[$0]) }.filter { !$0.isEmpty }.joined(separator: "  "))
  }

  /// The agent that an event is about.
  static func agentID(type: String, subject: String, data: JSONValue) -> String? {
    text(data["agent_id"]) ?? (type.hasPrefix("agent.") ? subject : nil)
  }

  private static let detailKeys = ["command_type", "action", "reason", "error", "source"]

  private static func text(_ value: JSONValue?) -> String? {
    guard case .string(let text)? = value else { return nil }
    return text
  }
}
