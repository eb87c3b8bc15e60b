import Diagnosis
import FleetProtocol
import ServiceRuntime

/// The answer to `GET /health`, whoever gave it.
struct HealthAnswer: Sendable {
  private static let check = "health"

  private let status: Int
  /// The server's version; `nil` when what answers is another program.
  private let version: String?
  /// Why it is not healthy, in its words.
  private let error: String?

  init(status: Int, body: [UInt8]) {
    self.status = status
    // Whatever cannot be read is an answer of another form.
    let answer = try? WireCoding.decodeJSON(JSONValue.self, from: body)
    let fields: [String: JSONValue] = if case .object(let fields) = answer { fields } else { [:] }
    func text(_ name: String) -> String? {
      if case .string(let text) = fields[name] { printable(String(text.prefix(200))) } else { nil }
    }
    version = text("version")
    error = text("error")
  }

  /// Whether the client token may be shown to it.
  var isSpotOptimizer: Bool { version != nil }

  /// What to say of it.
  func finding(url: String, took: Duration) -> Finding {
    guard let version else {
      return .fail(
        Self.check, "\(url) answers \(status) and is no Spot Optimizer",
        remedy: "set SPOT_OPTIMIZER_SERVER_URL to the server's address: curl -i \(url)")
    }
    guard (200...299).contains(status) else {
      return .fail(Self.check, "\(url) answers \(status): \(error ?? "unhealthy")", remedy: "on the server: spotctl doctor")
    }
    return .pass(Self.check, "\(url) answers \(status) in \(took.inMilliseconds), version \(version)")
  }
}
