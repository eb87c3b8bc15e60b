import Diagnosis
import FleetProtocol
import ServiceRuntime

/// What to say of the answer to `GET /health`.
enum HealthFinding {
  private static let check = "health"

  /// Of an answer, whatever it is.
  static func finding(status: Int, body: [UInt8], url: String, took: Duration) -> Finding {
    // Whatever cannot be read is an answer of another form.
    let answer = try? WireCoding.decodeJSON(JSONValue.self, from: body)
    let fields: [String: JSONValue] = if case .object(let fields) = answer { fields } else { [:] }
    func text(_ name: String) -> String? { if case .string(let text) = fields[name] { printable(String(text.prefix(200))) } else { nil } }
    guard let version = text("version") else {
      return .fail(
        check, "\(url) answers \(status) and is no Spot Optimizer",
        remedy: "set SPOT_OPTIMIZER_SERVER_URL to the server's address: curl -i \(url)")
    }
    guard (200...299).contains(status) else {
      return .fail(check, "\(url) answers \(status): \(text("error") ?? "unhealthy")", remedy: "on the server: spotctl doctor")
    }
    return .pass(check, "\(url) answers \(status) in \(took.inMilliseconds), version \(version)")
  }
}
