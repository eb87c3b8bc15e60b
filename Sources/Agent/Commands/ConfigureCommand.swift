import FleetProtocol
import ServiceRuntime

/// The parameters of the built-in command `configure`: `{"version": 3, "config": {…}}`, with the whole configuration; a key that is left out has its
/// default.
struct ConfigureCommand: Sendable, Equatable {
  let version: Int
  let configuration: AgentConfiguration

  /// Reads them. Throws what is wrong, with the list of what is known.
  init(_ parameters: JSONValue) throws(MessageError) {
    guard case .object(let members) = parameters else { throw MessageError(field: "parameters", problem: "is no object") }
    try Self.checkKeys(members, known: ["config", "version"], of: "parameters")
    guard case .int(let version)? = members["version"], (1...Int64(AgentConfiguration.greatestVersion)).contains(version) else {
      throw MessageError(field: "version", problem: "must be a whole number from 1 to \(AgentConfiguration.greatestVersion)")
    }
    guard let config = members["config"], case .object(let values) = config else {
      throw MessageError(field: "config", problem: "must be an object with keys of \(try Self.knownKeys().joined(separator: ", "))")
    }
    try Self.checkKeys(values, known: try Self.knownKeys(), of: "config")
    self.version = Int(version)
    configuration = try WireCoding.decode(AgentConfiguration.self, from: WireCoding.encodeJSON(config))
  }

  /// Every key a configuration can have, sorted.
  static func knownKeys() throws(MessageError) -> [String] {
    guard case .object(let members) = try json(AgentConfiguration()) else { return [] }
    return members.keys.sorted()
  }

  /// A configuration as a JSON value.
  static func json(_ configuration: AgentConfiguration) throws(MessageError) -> JSONValue {
    try WireCoding.decodeJSON(JSONValue.self, from: WireCoding.encode(configuration))
  }

  private static func checkKeys(_ members: [String: JSONValue], known: [String], of field: String) throws(MessageError) {
    let unknown = members.keys.filter { !known.contains($0) }.sorted()
    guard !unknown.isEmpty else { return }
    let names = printable(String(unknown.joined(separator: ", ").prefix(200)))
    throw MessageError(field: field, problem: "has the unknown key \(names); known are \(known.joined(separator: ", "))")
  }
}
