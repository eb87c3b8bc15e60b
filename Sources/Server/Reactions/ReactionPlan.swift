import FleetProtocol
import ServiceRuntime

/// Why a reaction cannot be carried out: which of its parts is wrong, and what would be right.
public struct ReactionProblem: Error, Equatable, CustomStringConvertible {
  /// The part, by its column in `reactions`.
  public let part: String
  /// What is wrong and the remedy.
  public let problem: String

  /// One line, or with a target three.
  public var description: String { "\(part) \(problem)" }
}

/// A reaction as it was understood: nothing in it can fail but for what the placeholders bring. A value that needs no database.
struct ReactionPlan: Sendable {
  /// Who is to run the command.
  enum Target: Sendable, Equatable {
    /// The agent that the event is about.
    case ownAgent
    /// The agents of the event's client that fit, once the placeholders are filled in.
    case agents(TargetExpression)
  }

  /// Bytes of a target as the columns hold it.
  static let longestTarget = 60_000
  /// The longest `name`.
  static let longestName = 64

  let reaction: Reaction
  let type: EventType
  let condition: TargetExpression?
  let target: Target
  private let parameters: JSONValue
  private let known: [Placeholder]

  /// Understands a reaction, or says what is wrong with it.
  init(_ reaction: Reaction) throws(ReactionProblem) {
    self.reaction = reaction
    try Self.checkName(reaction.name)
    type = try Self.type(reaction.eventType)
    let known = Placeholder.known(in: type)
    self.known = known
    if let text = reaction.agentCondition {
      condition = try Self.expression(text, "agent_condition", allowingPlaceholders: false)
    } else {
      condition = nil
    }
    if reaction.target == Reaction.ownAgent {
      target = .ownAgent
    } else {
      target = .agents(try Self.expression(reaction.target, "target", allowingPlaceholders: true))
    }
    do throws(MessageError) {
      parameters = try WireCoding.decodeJSON(JSONValue.self, from: Array(reaction.parameters.utf8))
    } catch {
      throw ReactionProblem(part: "parameters", problem: "are not JSON: \(error.problem)")
    }
    guard Reaction.limits.contains(reaction.limitPerMinute) else {
      throw ReactionProblem(
        part: "limit_per_minute",
        problem: "is \(reaction.limitPerMinute); it must be from \(Reaction.limits.lowerBound) to \(Reaction.limits.upperBound)")
    }
    if let within = reaction.deliverWithinSeconds, !(1...MessageLimits.longestSeconds).contains(within) {
      throw ReactionProblem(
        part: "deliver_within_seconds", problem: "is \(within); it must be from 1 to \(MessageLimits.longestSeconds)")
    }
    // Tried with texts of their own names in the place of the values.
    _ = try filledTarget { $0.rawValue }
    let draft = try draft(for: "00000000-0000-0000-0000-000000000000", clientID: nil) { $0.rawValue }
    do throws(MessageError) {
      try draft.validate()
    } catch {
      throw ReactionProblem(part: error.field, problem: error.problem)
    }
  }

  /// Whether an event of this type and client is one that it reacts to.
  func concerns(_ type: String, clientID: String?) -> Bool {
    type == self.type.rawValue && (reaction.clientID == nil || reaction.clientID == clientID)
  }

  /// The target with the event's values in the tree, where they can be nothing but values; `nil` for the agent itself.
  func target(_ values: PlaceholderValues) throws(ReactionProblem) -> TargetExpression? { try filledTarget { values[$0] } }

  /// The command for one agent.
  func draft(for agentID: String, clientID: String?, _ values: PlaceholderValues) throws(ReactionProblem) -> CommandDraft {
    try draft(for: agentID, clientID: clientID) { values[$0] }
  }

  /// The command's arguments, as every target gets them.
  func parameters(_ values: PlaceholderValues) throws(ReactionProblem) -> JSONValue { try filledParameters { values[$0] } }

  private func draft(
    for agentID: String, clientID: String?, _ values: (Placeholder) -> String
  ) throws(ReactionProblem) -> CommandDraft {
    var draft = CommandDraft(agentID: agentID, clientID: clientID, commandType: reaction.commandType)
    draft.parameters = try filledParameters(values)
    draft.priority = reaction.priority
    draft.deliverWithin = reaction.deliverWithinSeconds.map { .seconds($0) }
    draft.timeoutSeconds = reaction.timeoutSeconds
    draft.source = reaction.source
    return draft
  }

  private func filledParameters(_ values: (Placeholder) -> String) throws(ReactionProblem) -> JSONValue {
    do throws(PlaceholderText.Unknown) {
      return try parameters.filling { text throws(PlaceholderText.Unknown) in
        try PlaceholderText.fill(text, known: known, isStrict: false, values)
      }
    } catch {
      throw unknown(error, "parameters")
    }
  }

  private func filledTarget(_ values: (Placeholder) -> String) throws(ReactionProblem) -> TargetExpression? {
    guard case .agents(let expression) = target else { return nil }
    do {
      return try expression.mapValues { try PlaceholderText.fill($0, known: known, isStrict: true, values) }
    } catch let error as PlaceholderText.Unknown {
      throw unknown(error, "target")
    } catch {
      throw ReactionProblem(part: "target", problem: "\(error)")
    }
  }

  private func unknown(_ error: PlaceholderText.Unknown, _ part: String) -> ReactionProblem {
    ReactionProblem(
      part: part,
      problem:
        "has '\(printable(error.word))', \(error.isOpen ? "whose closing } is missing" : "which is no placeholder of \(type.rawValue)"); there are: "
        + known.map { "{\($0.rawValue)}" }.joined(separator: ", "))
  }

  private static func checkName(_ name: String) throws(ReactionProblem) {
    let isPlain = name.utf8.allSatisfy { byte in
      (0x61...0x7a).contains(byte) || (0x41...0x5a).contains(byte) || (0x30...0x39).contains(byte) || [0x2d, 0x2e, 0x5f].contains(byte)
    }
    guard !name.isEmpty, name.utf8.count <= longestName, isPlain else {
      throw ReactionProblem(
        part: "name", problem: "is '\(printable(String(name.prefix(80))))'; it must be 1 to \(longestName) of A-Z a-z 0-9 - _ .")
    }
  }

  private static func type(_ text: String) throws(ReactionProblem) -> EventType {
    guard let type = EventType(rawValue: text), type.isOfAgent else {
      let types = EventType.allCases.filter(\.isOfAgent).map(\.rawValue).joined(separator: ", ")
      throw ReactionProblem(part: "event_type", problem: "is '\(printable(String(text.prefix(80))))'; it must be one of \(types)")
    }
    return type
  }

  private static func expression(
    _ text: String, _ part: String, allowingPlaceholders: Bool
  ) throws(ReactionProblem) -> TargetExpression {
    guard text.utf8.count <= longestTarget else {
      throw ReactionProblem(part: part, problem: "has \(text.utf8.count) bytes; \(longestTarget) are the most")
    }
    do throws(TargetSyntaxError) {
      return try TargetExpression(parsing: text, allowingPlaceholders: allowingPlaceholders)
    } catch {
      throw ReactionProblem(part: part, problem: "cannot be understood: \(error)")
    }
  }
}
