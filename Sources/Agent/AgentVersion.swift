import ServiceRuntime

/// Which agent this is, towards others.
enum AgentVersion {
  /// Program and version as one word, for `app_id` and `User-Agent`.
  static let product = "spot-optimizer-agent/\(programVersion)"
}
