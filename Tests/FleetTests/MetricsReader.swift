import HTTP
import TestSupport

/// Asks servers for their metrics.
struct MetricsReader: Sendable {
  fileprivate let client: HTTPClient

  /// The status of an answer.
  func status(_ url: String, method: String = "GET", token: String? = nil) async throws -> Int {
    var request = HTTPClientRequest(method: method, url: url)
    request.headers["Authorization"] = token.map { "Bearer \($0)" }
    return try await client.send(request).status
  }

  /// The page as it is; fails when it is not answered 200.
  func text(of server: String) async throws -> String {
    let response = try await client.send(HTTPClientRequest(url: "\(server)/metrics"))
    guard response.status == 200, response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8" else {
      throw FleetFailure(description: "\(server)/metrics answered \(response.status) \(response.headers["Content-Type"] ?? "")")
    }
    return String(decoding: response.body, as: UTF8.self)
  }

  /// Waits until the page is as `condition` says.
  @discardableResult
  func page(of server: String, _ what: String, _ condition: (ParsedMetrics) -> Bool) async throws -> ParsedMetrics {
    var last = ""
    do {
      return try await eventualValue(what, timeout: .seconds(60)) {
        last = try await text(of: server)
        let page = try ParsedMetrics(last)
        return condition(page) ? page : nil
      }
    } catch let error as TimedOut {
      throw FleetFailure(description: "\(error.description)\n\(last)")
    }
  }
}

/// Runs a test with a client for metrics.
func withMetrics(_ body: (MetricsReader) async throws -> Void) async throws {
  let client = HTTPClient(userAgent: "test")
  defer { client.close() }
  try await body(MetricsReader(client: client))
}
