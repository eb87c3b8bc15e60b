import HTTP
import HTTPServing
import ServiceRuntime

/// An instance metadata service as far as an agent sees it (IMDSv2). A test tells it what to say.
final class MetadataPeer: Sendable {
  private struct State {
    var answers: [String: HTTPResponse] = [:]
    var token = "session-1"
    var tokensGiven = 0
    var asked: [String: Int] = [:]
  }

  static let instanceID = "i-0123456789abcdef0"
  static let interruptionPath = "spot/instance-action"
  static let rebalancePath = "events/recommendations/rebalance"

  private let state = Lock(State())

  init() {
    for (path, fact) in [("instance-id", Self.instanceID), ("instance-type", "c5.large"), ("instance-life-cycle", "spot")] {
      say(fact, at: path)
    }
  }

  /// What it answers at a path below `meta-data`; 404 with `nil`.
  func say(_ text: String?, at path: String) { set(text.map { HTTPResponse(status: 200, body: Array($0.utf8)) }, at: path) }

  func set(_ answer: HTTPResponse?, at path: String) { state.withLock { $0.answers[path] = answer } }

  /// The tokens given so far are worth nothing any more.
  func forgetTokens() { state.withLock { $0.token += "x" } }

  var tokensGiven: Int { state.withLock { $0.tokensGiven } }
  func asked(_ path: String) -> Int { state.withLock { $0.asked[path] ?? 0 } }

  func answer(_ request: HTTPRequest) -> HTTPResponse {
    state.withLock { state in
      if request.path == "/latest/api/token" {
        guard request.method == "PUT", request.headers["X-aws-ec2-metadata-token-ttl-seconds"] != nil else { return .error(400, "no") }
        state.tokensGiven += 1
        return HTTPResponse(status: 200, body: Array(state.token.utf8))
      }
      guard request.headers["X-aws-ec2-metadata-token"] == state.token else { return .error(401, "no") }
      let path = String(request.path.dropFirst("/latest/meta-data/".count))
      state.asked[path, default: 0] += 1
      return state.answers[path] ?? .error(404, "no")
    }
  }
}

/// A metadata service for as long as `body` runs.
func withMetadata(_ body: (MetadataPeer, _ url: String) async throws -> Void) async throws {
  let peer = MetadataPeer()
  let server = try HTTPServer(HTTPServerConfiguration(port: 0)) { peer.answer($0) }
  try await withThrowingTaskGroup(of: Void.self) { group in
    group.addTask { await server.run() }
    defer { group.cancelAll() }
    try await body(peer, "http://127.0.0.1:\(server.port)")
  }
}
