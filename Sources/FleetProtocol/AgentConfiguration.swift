/// What the server tells an agent to do by itself: the `config` object of the v4 API, with its keys and defaults.
public struct AgentConfiguration: WireMessage {
  /// Whether the agent works at all.
  public var enabled = true
  /// Whether it may switch instances by itself.
  public var autoSwitchEnabled = true
  /// Whether it may end the instance it left.
  public var autoTerminateEnabled = true
  /// Seconds between leaving an instance and ending it.
  public var terminateWaitSeconds = 300
  /// Whether replicas are kept.
  public var replicaEnabled = false
  /// How many.
  public var replicaCount = 0
  /// Whether a person keeps them.
  public var manualReplicaEnabled = false
  /// The least saving that is worth a switch, in percent.
  public var minSavingsPercent = 15.0
  /// The risk of interruption from which to switch, 0 to 1.
  public var riskThreshold = 0.3
  /// Switches in seven days at most.
  public var maxSwitchesPerWeek = 10
  /// Hours to stay in a pool at least.
  public var minPoolDurationHours = 2

  /// The greatest version of a configuration (`agents.config_version`).
  public static let greatestVersion = 4_294_967_295

  /// The defaults.
  public init() {}

  /// Decodes; a key that is absent or null has its default.
  public init(from decoder: any Decoder) throws {
    let fields = try decoder.container(keyedBy: CodingKeys.self)
    enabled = try fields.decodeIfPresent(Bool.self, forKey: .enabled) ?? enabled
    autoSwitchEnabled = try fields.decodeIfPresent(Bool.self, forKey: .autoSwitchEnabled) ?? autoSwitchEnabled
    autoTerminateEnabled = try fields.decodeIfPresent(Bool.self, forKey: .autoTerminateEnabled) ?? autoTerminateEnabled
    terminateWaitSeconds = try fields.decodeIfPresent(Int.self, forKey: .terminateWaitSeconds) ?? terminateWaitSeconds
    replicaEnabled = try fields.decodeIfPresent(Bool.self, forKey: .replicaEnabled) ?? replicaEnabled
    replicaCount = try fields.decodeIfPresent(Int.self, forKey: .replicaCount) ?? replicaCount
    manualReplicaEnabled = try fields.decodeIfPresent(Bool.self, forKey: .manualReplicaEnabled) ?? manualReplicaEnabled
    minSavingsPercent = try fields.decodeIfPresent(Double.self, forKey: .minSavingsPercent) ?? minSavingsPercent
    riskThreshold = try fields.decodeIfPresent(Double.self, forKey: .riskThreshold) ?? riskThreshold
    maxSwitchesPerWeek = try fields.decodeIfPresent(Int.self, forKey: .maxSwitchesPerWeek) ?? maxSwitchesPerWeek
    minPoolDurationHours = try fields.decodeIfPresent(Int.self, forKey: .minPoolDurationHours) ?? minPoolDurationHours
  }

  /// Ranges.
  public func validate() throws(MessageError) {
    try MessageLimits.number(terminateWaitSeconds, "terminate_wait_seconds", in: 0...MessageLimits.longestSeconds)
    try MessageLimits.number(replicaCount, "replica_count", in: 0...1000)
    try MessageLimits.number(maxSwitchesPerWeek, "max_switches_per_week", in: 0...100_000)
    try MessageLimits.number(minPoolDurationHours, "min_pool_duration_hours", in: 0...(365 * 24))
    guard (0...100).contains(minSavingsPercent) else {
      throw MessageError(field: "min_savings_percent", problem: "is \(minSavingsPercent); it must be from 0 to 100")
    }
    guard (0...1).contains(riskThreshold) else {
      throw MessageError(field: "risk_threshold", problem: "is \(riskThreshold); it must be from 0 to 1")
    }
  }

  enum CodingKeys: String, CodingKey {
    case enabled
    case autoSwitchEnabled = "auto_switch_enabled"
    case autoTerminateEnabled = "auto_terminate_enabled"
    case terminateWaitSeconds = "terminate_wait_seconds"
    case replicaEnabled = "replica_enabled"
    case replicaCount = "replica_count"
    case manualReplicaEnabled = "manual_replica_enabled"
    case minSavingsPercent = "min_savings_percent"
    case riskThreshold = "risk_threshold"
    case maxSwitchesPerWeek = "max_switches_per_week"
    case minPoolDurationHours = "min_pool_duration_hours"
  }
}
