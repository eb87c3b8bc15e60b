import TestSupport

/// Vhosts for fleets, one each: whoever consumes `fleet.heartbeats` in one takes nothing from another.
///
/// Made a dozen at a time, because `rabbitmqctl` takes a second of a core however little it does. They end with the broker.
actor VirtualHosts {
  static let shared = VirtualHosts()
  private static let batch = 12

  /// By the state folder of the pair.
  private var free: [String: [String]] = [:]
  private var count = 0
  private var isMaking = false
  private var waiting: [CheckedContinuation<Void, Never>] = []

  /// The name of a vhost that nobody else uses, with all permissions for the server's login.
  func take(from services: LocalServices) async throws -> String {
    while true {
      if let name = free[services.state]?.popLast() { return name }
      if isMaking {
        await withCheckedContinuation { waiting.append($0) }
      } else {
        try await make(on: services)
      }
    }
  }

  private func make(on services: LocalServices) async throws {
    isMaking = true
    defer {
      isMaking = false
      for continuation in waiting { continuation.resume() }
      waiting = []
    }
    let names = (count..<count + Self.batch).map { "fleet-\($0)" }
    count += Self.batch
    let list = names.map { "<<\"\($0)\">>" }.joined(separator: ",")
    let all = "<<\".*\">>"
    try await services.rabbitmqctl(
      "eval",
      """
      [begin rabbit_vhost:add(V, <<"test">>), \
      rabbit_auth_backend_internal:set_permissions(<<"\(services.user)">>, V, \(all), \(all), \(all), <<"test">>) end || V <- [\(list)]].
      """)
    free[services.state, default: []] += names
  }
}
