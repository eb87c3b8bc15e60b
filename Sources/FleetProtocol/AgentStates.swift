/// How an agent says it is, in heartbeats and in `agents.status`.
public enum AgentStatus: String, WireEnum {
  /// At work.
  case online
  /// Stopping, or silent for longer than the server waits.
  case offline
  /// Switched off by its configuration.
  case disabled
  /// Moving to another instance.
  case switching
  /// In trouble that it knows of.
  case error
  /// Gone for good.
  case deleted
}

/// How an instance is paid for.
public enum InstanceMode: String, WireEnum {
  /// A spot instance.
  case spot
  /// An on-demand instance.
  case ondemand
  /// Not known, the default.
  case unknown
}
