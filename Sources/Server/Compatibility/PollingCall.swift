/// A call of a v4 agent's below `/api/agents`, but for its configuration: a pure function of the path.
enum PollingCall: Sendable, Equatable {
  case register
  case heartbeat(agentID: String)
  case pendingCommands(agentID: String)
  case executed(agentID: String, commandID: String)
  case notice(agentID: String, Notice)
  case report(agentID: String, Report)
  case replicas(agentID: String)

  /// What AWS said about the instance.
  enum Notice: String, Sendable, CaseIterable {
    case terminationImminent = "termination-imminent"
    case rebalanceRecommendation = "rebalance-recommendation"
  }

  /// What the agent tells of its work.
  enum Report: String, Sendable, CaseIterable {
    case pricing = "pricing-report"
    case switching = "switch-report"
    case cleanup = "cleanup-report"
  }

  /// `path` are the parts behind `/api/agents`; `nil` when it is none of these calls.
  init?(_ path: [String]) {
    switch (path.count, path.first ?? "", path.dropFirst().first ?? "") {
    case (1, "register", _): self = .register
    case (2, let agentID, "heartbeat") where !agentID.isEmpty: self = .heartbeat(agentID: agentID)
    case (2, let agentID, "pending-commands") where !agentID.isEmpty: self = .pendingCommands(agentID: agentID)
    case (2, let agentID, "replicas") where !agentID.isEmpty: self = .replicas(agentID: agentID)
    case (2, let agentID, let word) where !agentID.isEmpty:
      if let notice = Notice(rawValue: word) {
        self = .notice(agentID: agentID, notice)
      } else if let report = Report(rawValue: word) {
        self = .report(agentID: agentID, report)
      } else {
        return nil
      }
    case (4, let agentID, "commands") where !agentID.isEmpty && !path[2].isEmpty && path[3] == "executed":
      self = .executed(agentID: agentID, commandID: path[2])
    default: return nil
    }
  }

  /// The methods that it takes.
  var methods: [String] {
    switch self {
    case .pendingCommands, .replicas: ["GET", "HEAD"]
    default: ["POST"]
    }
  }
}
