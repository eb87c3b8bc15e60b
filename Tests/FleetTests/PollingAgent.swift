import FleetProtocol
import HTTP

/// A v4 agent as the server sees it: a small HTTP client that registers, beats and polls.
final class PollingAgent: Sendable {
  let name: String
  private let server: String
  private let token: String
  private let client = HTTPClient(userAgent: "spot-optimizer-agent/4.0.1")

  init(_ name: String, server: Fleet.Server, token: String) {
    self.name = name
    self.server = server.url
    self.token = token
  }

  deinit { client.close() }

  /// Sends a call and returns the JSON of a 2xx answer; an empty body counts as `{}`.
  @discardableResult
  func call(_ method: String, _ path: String, _ body: JSONValue = .object([:])) async throws -> JSONValue {
    let bytes = method == "GET" ? [] : try WireCoding.encodeJSON(body)
    let request = HTTPClientRequest(
      method: method, url: "\(server)/api/agents/\(path)",
      headers: ["Authorization": "Bearer \(token)", "Content-Type": "application/json"], body: bytes)
    let response = try await client.send(request)
    guard (200...299).contains(response.status) else {
      throw FleetFailure(description: "HTTP error \(response.status): \(method) \(path): \(String(decoding: response.body, as: UTF8.self))")
    }
    return response.body.isEmpty ? .object([:]) : try WireCoding.decodeJSON(JSONValue.self, from: response.body)
  }

  /// Registers and returns the agent's id.
  func register() async throws -> String {
    let answer = try await call(
      "POST", "register",
      [
        "client_token": .string(token), "hostname": "old-host", "logical_agent_id": .string(name), "instance_id": "i-old",
        "instance_type": "c5.large", "region": "us-east-1", "az": "us-east-1a", "ami_id": nil, "agent_version": "4.0.1", "mode": "spot",
      ])
    guard case .string(let id)? = answer["agent_id"] else { throw FleetFailure(description: "no agent_id in \(answer)") }
    return id
  }

  func beat(_ id: String) async throws {
    try await call("POST", "\(id)/heartbeat", ["status": "online", "monitored_instances": ["i-old"], "instance_id": "i-old"])
  }

  /// The ids of the commands in the answer to a poll.
  func poll(_ id: String) async throws -> [String] {
    guard case .array(let commands) = try await call("GET", "\(id)/pending-commands") else { return ["no array"] }
    return commands.map { if case .string(let id)? = $0["id"] { id } else { "no id" } }
  }

  func report(_ command: String, of id: String, success: Bool, _ message: String) async throws {
    try await call("POST", "\(id)/commands/\(command)/executed", ["success": .bool(success), "message": .string(message)])
  }
}
