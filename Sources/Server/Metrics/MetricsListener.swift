import HTTP
import HTTPServing
import ServiceRuntime

/// The page of metrics on a port of its own (`METRICS_PORT`), for workers, and for servers whose front others than the operator reach.
struct MetricsListener: Sendable {
  private let server: HTTPServer

  /// Listens from here on; `run` answers.
  init(_ configuration: HTTPServerConfiguration, _ page: MetricsPage) throws(HTTPServerError) {
    server = try HTTPServer(configuration) { request in
      switch Route(method: request.method, segments: request.pathSegments) {
      case .metrics: return await page.answer()
      case .methodNotAllowed(let allow) where request.path == MetricsPage.path:
        var response = HTTPResponse.error(405, "Method not allowed")
        response.headers["Allow"] = allow
        return response
      default: return .error(404, "Not found")
      }
    }
  }

  /// The port it listens on.
  var port: Int { server.port }

  /// Answers until the task is cancelled.
  func run() async { await server.run() }
}
