import FleetProtocol

/// The configuration the agent works by: the newest that the server gave, with a registration or by a command `configure`. It lasts as long as the
/// process, for every process registers.
struct AppliedConfiguration: Sendable, Equatable {
  /// Its version; `nil` before the first.
  private(set) var version: Int?
  /// The configuration; the defaults before the first.
  private(set) var value = AgentConfiguration()

  /// Takes a configuration if it is newer than the one there is; says whether it was.
  mutating func apply(_ value: AgentConfiguration, version: Int) -> Bool {
    if let known = self.version, known >= version { return false }
    self.version = version
    self.value = value
    return true
  }

  /// How an agent with it is, in heartbeats.
  var status: AgentStatus { value.enabled ? .online : .disabled }
}
