import FleetProtocol
import ServiceRuntime

/// What a reaction's target and parameters may say of the event: `{agent.logical_agent_id}`.
public enum Placeholder: String, Sendable, CaseIterable {
  /// The agent's own name.
  case logicalAgentID = "agent.logical_agent_id"
  /// `agents.id`.
  case agentID = "agent.id"
  /// The instance that it runs on.
  case instanceID = "agent.instance_id"
  /// That instance's zone.
  case az = "agent.az"
  /// That instance's region.
  case region = "agent.region"
  /// The time that AWS named: of the interruption, or of the recommendation.
  case noticeTime = "notice.time"
  /// `terminate`, `stop` or `hibernate`.
  case noticeAction = "notice.action"
  /// The event's id.
  case eventID = "event.id"
  /// `agent.interruption`.
  case eventType = "event.type"

  /// Those that an event of this type can fill.
  public static func known(in type: EventType) -> [Placeholder] {
    allCases.filter { type.isNotice || ![.noticeTime, .noticeAction].contains($0) }
  }

  /// The field of the event's data that has it; `nil` for what is not in the data.
  fileprivate var field: String? {
    switch self {
    case .logicalAgentID: "logical_agent_id"
    case .agentID: "agent_id"
    case .instanceID: "instance_id"
    case .az: "az"
    case .region: "region"
    case .noticeTime: "notice_time"
    case .noticeAction: "action"
    case .eventID, .eventType: nil
    }
  }
}

/// What the placeholders stand for in one event. What is not known of the agent is an empty text.
struct PlaceholderValues: Sendable, Equatable {
  private let values: [Placeholder: String]

  init(eventID: String, type: EventType, data: JSONValue) {
    var values: [Placeholder: String] = [:]
    for placeholder in Placeholder.allCases {
      switch placeholder {
      case .eventID: values[placeholder] = eventID
      case .eventType: values[placeholder] = type.rawValue
      default:
        if let field = placeholder.field, case .string(let text)? = data[field] { values[placeholder] = text }
      }
    }
    self.values = values
  }

  subscript(placeholder: Placeholder) -> String { values[placeholder] ?? "" }
}

/// A text with placeholders in it.
enum PlaceholderText {
  /// What stands between braces and is none of the placeholders that there are.
  struct Unknown: Error, Equatable {
    /// As it was written, braces included.
    let word: String
    /// Whether no brace closes it.
    var isOpen = false
  }

  private enum Piece {
    case literal(Substring)
    case placeholder(Placeholder)
  }

  /// The text with the values put in. What is put in is not looked at again: a value that looks like a placeholder is a value.
  static func fill(_ text: String, known: [Placeholder], isStrict: Bool, _ values: (Placeholder) -> String) throws(Unknown) -> String {
    guard text.utf8.contains(where: { $0 == UInt8(ascii: "{") || $0 == UInt8(ascii: "}") }) else { return text }
    var filled = ""
    for piece in try pieces(text, known, isStrict) {
      switch piece {
      case .literal(let literal): filled += literal
      case .placeholder(let placeholder): filled += values(placeholder)
      }
    }
    return filled
  }

  /// A word of letters, digits, `_`, `.` and `-` in braces is a placeholder; other braces stand for themselves, as a text that holds JSON has them. In a target
  /// (`isStrict`) they do not: there, a brace that is no placeholder's is a slip of the pen, and would hit nobody in silence.
  private static func pieces(_ text: String, _ known: [Placeholder], _ isStrict: Bool) throws(Unknown) -> [Piece] {
    var pieces: [Piece] = []
    var literal = text.startIndex
    var index = text.startIndex
    while let open = text[index...].firstIndex(where: { $0 == "{" || (isStrict && $0 == "}") }) {
      let word = text[text.index(after: open)...].prefix(while: isWordCharacter)
      guard text[open] == "{", !word.isEmpty, word.endIndex < text.endIndex, text[word.endIndex] == "}" else {
        guard !isStrict else {
          throw Unknown(word: String(text[open...].prefix(40)), isOpen: text[open] == "{" && !text[open...].contains("}"))
        }
        index = text.index(after: open)
        continue
      }
      guard let placeholder = known.first(where: { $0.rawValue == word }) else { throw Unknown(word: "{\(word)}") }
      pieces.append(.literal(text[literal..<open]))
      pieces.append(.placeholder(placeholder))
      index = text.index(after: word.endIndex)
      literal = index
    }
    pieces.append(.literal(text[literal...]))
    return pieces
  }

  private static func isWordCharacter(_ character: Character) -> Bool {
    character.isASCII && (character.isLetter || character.isNumber || character == "_" || character == "." || character == "-")
  }
}

extension JSONValue {
  /// The value with the placeholders of its texts filled in; keys stay as they are.
  func filling(_ fill: (String) throws(PlaceholderText.Unknown) -> String) throws(PlaceholderText.Unknown) -> JSONValue {
    switch self {
    case .string(let text): return .string(try fill(text))
    case .array(let items):
      var filled: [JSONValue] = []
      for item in items { filled.append(try item.filling(fill)) }
      return .array(filled)
    case .object(let members):
      var filled: [String: JSONValue] = [:]
      for (key, value) in members { filled[key] = try value.filling(fill) }
      return .object(filled)
    case .null, .bool, .int, .double: return self
    }
  }
}
