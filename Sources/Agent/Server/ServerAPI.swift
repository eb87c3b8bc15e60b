import FleetProtocol
import HTTP
import ServiceRuntime

/// The two calls that remain HTTP: the server's health, and the agent's credential for the broker.
///
/// Owns an HTTP client and with it a thread: `close` it when the calls are done, an idle agent needs none.
struct ServerAPI: Sendable {
  private let client: HTTPClient
  private let url: ServerURL
  private let token: ClientToken

  init(_ settings: AgentSettings, timings: AgentTimings) {
    client = HTTPClient(
      userAgent: AgentVersion.product, connectTimeout: min(HTTPClient.defaultConnectTimeout, timings.replyTimeout),
      timeout: timings.replyTimeout, responseLimit: 2 * MessageLimits.bodyBytes, caFile: settings.authorityFile)
    url = settings.serverURL
    token = settings.clientToken
  }

  /// Ends the client's thread.
  func close() { client.close() }

  /// `GET /health`; any success will do.
  func health() async throws(ServerFailure) {
    _ = try await send(HTTPClientRequest(url: url.appending("/health")))
  }

  /// `POST /api/broker/credentials` for the agent of that name, with what the answer tells of the server's clock.
  func credential(for logicalAgentID: String) async throws(ServerFailure) -> (reply: CredentialReply, clock: ClockReading) {
    let path = url.appending("/api/broker/credentials")
    let operation = Operation(method: "POST", url: path)
    let body: [UInt8]
    do throws(MessageError) {
      body = try WireCoding.encode(CredentialRequest(logicalAgentID: logicalAgentID))
    } catch {
      throw .malformed(operation, error)
    }
    let asked = ContinuousClock.now
    let answer = try await send(
      HTTPClientRequest(
        method: "POST", url: path,
        headers: ["Authorization": "Bearer \(token.secret)", "Content-Type": "application/json", "Accept": "application/json"], body: body))
    let answered = ContinuousClock.now
    do throws(MessageError) {
      let reply = try WireCoding.decode(CredentialReply.self, from: answer.body)
      return (reply, ClockReading(serverTime: reply.serverTime, asked: asked, answered: answered))
    } catch {
      throw .malformed(operation, error)
    }
  }

  private func send(_ request: HTTPClientRequest) async throws(ServerFailure) -> HTTPResponse {
    let operation = Operation(method: request.method, url: request.url)
    let response: HTTPResponse
    do throws(HTTPClientError) {
      response = try await client.send(request)
    } catch {
      switch error.kind {
      case .cancelled, .closed: throw .cancelled
      default: throw .failed(operation, Failure(error))
      }
    }
    guard (200...299).contains(response.status) else {
      throw .failed(operation, .refused(.http, code: response.status, response: ResponseText.of(response.body)))
    }
    return response
  }
}
