/// What a request asks for: a pure function of its method and path.
enum Route: Sendable, Equatable {
  case health
  /// The page for Prometheus.
  case metrics
  case brokerCredentials
  case agentConfiguration(agentID: String)
  /// A call that only v4 agents make.
  case polling(PollingCall)
  /// The path exists, for other methods: the value of the `Allow` header.
  case methodNotAllowed(allow: String)
  case notFound

  /// `segments` are the decoded parts of the path between slashes.
  init(method: String, segments: [String]) {
    // An empty last part is a slash at the end, which means the same.
    let path = segments.last == "" ? segments.dropLast() : segments[...]
    switch Array(path) {
    case ["health"]: self = Self.allow(["GET", "HEAD"], method, .health)
    case ["metrics"]: self = Self.allow(["GET", "HEAD"], method, .metrics)
    case ["api", "broker", "credentials"]: self = Self.allow(["POST"], method, .brokerCredentials)
    case let parts where parts.count == 4 && parts[0] == "api" && parts[1] == "agents" && !parts[2].isEmpty && parts[3] == "config":
      self = Self.allow(["GET", "HEAD"], method, .agentConfiguration(agentID: parts[2]))
    case let parts where parts.starts(with: ["api", "agents"]):
      guard let call = PollingCall(Array(parts.dropFirst(2))) else {
        self = .notFound
        return
      }
      self = Self.allow(call.methods, method, .polling(call))
    default: self = .notFound
    }
  }

  private static func allow(_ methods: [String], _ method: String, _ route: Route) -> Route {
    methods.contains(method) ? route : .methodNotAllowed(allow: methods.joined(separator: ", "))
  }
}
