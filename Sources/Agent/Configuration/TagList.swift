import FleetProtocol
import ServiceRuntime

/// `SPOT_OPTIMIZER_TAGS`: the agent's own tags, `role=worker,team=ml`.
enum TagList {
  /// Reads pairs of name and value between commas; white space round them is stripped, a value may be empty. `name` is the variable.
  static func parse(_ text: String, name: String) throws(ConfigurationError) -> [String: String] {
    func refuse(_ problem: String) -> ConfigurationError {
      ConfigurationError(name: name, problem: problem, remedy: "set it to names and values such as role=worker,team=ml")
    }
    var tags: [String: String] = [:]
    for entry in text.split(separator: ",", omittingEmptySubsequences: false) {
      let shown = printable(String(entry.prefix(80)))
      guard let equals = entry.firstIndex(of: "=") else { throw refuse("has the entry '\(shown)', which is not of the form name=value") }
      let tag = String(entry[..<equals]).trimmingWhitespace()
      let value = String(entry[entry.index(after: equals)...]).trimmingWhitespace()
      guard !tag.isEmpty else { throw refuse("has the entry '\(shown)', which has no name") }
      guard tags.updateValue(value, forKey: tag) == nil else { throw refuse("has the name '\(printable(String(tag.prefix(80))))' twice") }
    }
    do throws(MessageError) {
      try AgentTags.validate(tags)
    } catch {
      throw refuse("cannot be used: \(error)")
    }
    return tags
  }
}
