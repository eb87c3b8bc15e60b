import FleetProtocol
import MySQL

/// What a row's `config` says, read and checked.
struct ConfigurationContent: Sendable {
  /// The column's text; empty for NULL.
  let text: String
  /// What differs from the defaults, as it was written.
  let overrides: [String: JSONValue]
  /// What holds.
  let effective: AgentConfiguration
  /// The same as JSON, for a command's parameters.
  let json: JSONValue

  /// Reads a column. Throws `MessageError` for what is no JSON object or out of range.
  init(_ text: String?) throws(MessageError) {
    self.text = text ?? ""
    let bytes = Array((text ?? "{}").utf8)
    overrides = try WireCoding.decodeJSON([String: JSONValue].self, from: bytes)
    effective = try WireCoding.decode(AgentConfiguration.self, from: bytes)
    json = try WireCoding.decodeJSON(JSONValue.self, from: try WireCoding.encode(effective))
  }

  /// The content after a change; without overrides there is nothing to keep.
  func applying(_ changes: ConfigurationChanges) throws(MessageError) -> ConfigurationContent {
    let overrides = changes.applied(to: overrides)
    guard !overrides.isEmpty else { return try ConfigurationContent(nil) }
    return try ConfigurationContent(String(decoding: try WireCoding.encodeJSON(overrides), as: UTF8.self))
  }
}

/// Contents that were read already: of thousands of agents, most have the same.
struct ConfigurationContents {
  private var known: [String: ConfigurationContent] = [:]

  /// The content of a row's `config`. Throws `StoreError` for one that cannot be read.
  mutating func read(_ row: Row, id: String) throws -> ConfigurationContent {
    let text = try row.optionalString("config")
    if let content = known[text ?? ""] { return content }
    do throws(MessageError) {
      let content = try ConfigurationContent(text)
      known[text ?? ""] = content
      return content
    } catch {
      throw StoreError(table: "agents", id: id, problem: "column agents.config: \(error)")
    }
  }
}
