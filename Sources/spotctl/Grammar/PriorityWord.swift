import FleetProtocol

/// A priority as people call it, for `--priority` of every command that has one.
enum PriorityWord: String, CaseIterable, Sendable {
  case critical, override, urgent, normal, scheduled

  /// The option that takes these words.
  static let option = "--priority"

  /// The priority that it stands for.
  var number: Int {
    switch self {
    case .critical: CommandPriority.critical
    case .override: CommandPriority.override
    case .urgent: CommandPriority.urgent
    case .normal: CommandPriority.normal
    case .scheduled: CommandPriority.scheduled
    }
  }
}
