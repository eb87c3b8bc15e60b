/// The paths of routes with placeholders for ids, as few as there are routes: what requests are counted by.
extension Route {
  /// `/api/agents/{id}/heartbeat`; `other` for what is answered 404 or 405.
  var template: String {
    switch self {
    case .health: "/health"
    case .metrics: MetricsPage.path
    case .brokerCredentials: "/api/broker/credentials"
    case .agentConfiguration: "/api/agents/{id}/config"
    case .polling(let call): "/api/agents/" + call.template
    case .methodNotAllowed, .notFound: "other"
    }
  }
}

extension PollingCall {
  fileprivate var template: String {
    switch self {
    case .register: "register"
    case .heartbeat: "{id}/heartbeat"
    case .pendingCommands: "{id}/pending-commands"
    case .executed: "{id}/commands/{id}/executed"
    case .notice(_, let notice): "{id}/\(notice.rawValue)"
    case .report(_, let report): "{id}/\(report.rawValue)"
    case .replicas: "{id}/replicas"
    }
  }
}
