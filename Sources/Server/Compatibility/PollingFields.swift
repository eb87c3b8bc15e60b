import FleetProtocol
import ServiceRuntime

/// The fields of a request's body, read one by one; what is wrong is gathered, so that the answer names every field at once.
struct PollingFields {
  private let members: [String: JSONValue]
  private(set) var problems: [String: [String]] = [:]

  /// Throws when the body is no JSON object.
  init(_ body: [UInt8]) throws(MessageError) {
    guard case .object(let members) = try WireCoding.decodeJSON(JSONValue.self, from: body) else {
      throw MessageError(field: "body", problem: "is of the wrong type; it must be an object")
    }
    self.members = members
  }

  /// Whether nothing is wrong so far.
  var areSound: Bool { problems.isEmpty }

  /// All members.
  var all: JSONValue { .object(members) }

  /// Notes a problem.
  mutating func refuse(_ field: String, _ problem: String) { problems[field, default: []].append(problem) }

  /// A text that must be there; empty when it is not, which is noted.
  mutating func text(_ name: String) -> String {
    guard let value = present(name, "a text") else { return "" }
    guard case .string(let text) = value else { return wrongType(name, "a text", "") }
    return text
  }

  /// A text that may be absent or null.
  mutating func optionalText(_ name: String) -> String? {
    switch members[name] {
    case nil, .null?: return nil
    case .string(let text)?: return text
    default: return wrongType(name, "a text", nil)
    }
  }

  /// One of some words that must be there; `fallback` when it is not, which is noted.
  mutating func word<Word: WireEnum>(_ name: String, default fallback: Word) -> Word {
    guard present(name, "a text") != nil else { return fallback }
    return optionalWord(name) ?? fallback
  }

  /// One of some words; `nil` when it is absent or null.
  mutating func optionalWord<Word: WireEnum>(_ name: String) -> Word? {
    guard let text = optionalText(name) else { return nil }
    guard let word = Word(rawValue: text) else {
      let words = Word.allCases.map { "'\($0.rawValue)'" }.joined(separator: ", ")
      refuse(name, "is '\(printable(String(text.prefix(40))))'; it must be one of \(words)")
      return nil
    }
    return word
  }

  /// An array of texts that must be there.
  mutating func texts(_ name: String) -> [String] {
    guard let value = present(name, "an array") else { return [] }
    guard case .array(let items) = value else { return wrongType(name, "an array", []) }
    var texts: [String] = []
    for (index, item) in items.enumerated() {
      guard case .string(let text) = item else { return wrongType("\(name)[\(index)]", "a text", []) }
      texts.append(text)
    }
    return texts
  }

  /// `true` or `false`, which must be there.
  mutating func flag(_ name: String) -> Bool {
    guard let value = present(name, "true or false") else { return false }
    guard case .bool(let flag) = value else { return wrongType(name, "true or false", false) }
    return flag
  }

  /// A moment in ISO 8601 that must be there; without a zone it counts as UTC, because that is what these agents mean.
  mutating func time(_ name: String) -> Timestamp? {
    let text = text(name)
    guard problems[name] == nil else { return nil }
    if let time = Timestamp(text: text) ?? Timestamp(text: text + "Z") { return time }
    refuse(name, "is '\(printable(String(text.prefix(40))))'; it must be a time such as 2026-01-31T05:26:47Z")
    return nil
  }

  private mutating func present(_ name: String, _ kind: String) -> JSONValue? {
    switch members[name] {
    case nil:
      refuse(name, "is missing")
      return nil
    case .null?:
      refuse(name, "is null; it must be \(kind)")
      return nil
    case let value?: return value
    }
  }

  private mutating func wrongType<Value>(_ name: String, _ kind: String, _ fallback: Value) -> Value {
    refuse(name, "is of the wrong type; it must be \(kind)")
    return fallback
  }
}
