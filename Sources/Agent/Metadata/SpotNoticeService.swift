import FleetProtocol
import HTTP
import ServiceRuntime

/// What the instance metadata service says about the end of a spot instance, asked again and again over one connection (AWS, "Spot Instance
/// interruption notices" and "EC2 instance rebalance recommendations").
///
/// One question at a time. Whoever makes a service closes it.
actor SpotNoticeService {
  /// A notice, as the service has it.
  struct Notice: Sendable, Hashable {
    let kind: SpotNotice.Kind
    /// `terminate`, `stop` or `hibernate`.
    let action: String?
    let time: Timestamp
  }

  /// What became of a question.
  enum Answer: Sendable, Equatable {
    /// There is none.
    case none
    /// There is one.
    case notice(Notice)
    /// The service did not answer, or with something else; in words for the log.
    case problem(String)
  }

  private static let tokenLifetimeSeconds = 21_600
  /// Nothing here is longer; what is is not the service.
  private static let responseLimit = 1 << 14

  private let endpoint: ServerURL
  private let timeout: Duration
  private let client: HTTPClient
  private var token: (text: String, renewal: ContinuousClock.Instant)?

  /// `timeout` is for each question; the service is on the same machine.
  init(endpoint: ServerURL, timeout: Duration) {
    self.endpoint = endpoint
    self.timeout = timeout
    client = HTTPClient(userAgent: AgentVersion.product, connectTimeout: timeout, timeout: timeout, responseLimit: Self.responseLimit)
  }

  /// Ends the client's thread.
  nonisolated func close() { client.close() }

  /// Where a notice of this kind is, below `meta-data`.
  static func path(of kind: SpotNotice.Kind) -> String {
    switch kind {
    case .interruption: "spot/instance-action"
    case .rebalance: "events/recommendations/rebalance"
    }
  }

  /// Asks for the notice of one kind.
  func ask(_ kind: SpotNotice.Kind) async -> Answer {
    do throws(HTTPClientError) {
      var answer = try await get(kind)
      // The service was restarted, or lost our token: a new one, once.
      if answer?.status == 401 {
        token = nil
        answer = try await get(kind)
      }
      guard let answer else { return .problem("it gives no token") }
      switch answer.status {
      case 404: return .none
      case 200: return Self.read(answer.body, kind)
      default: return .problem("it answers \(answer.status)")
      }
    } catch {
      return .problem("\(error)")
    }
  }

  private func get(_ kind: SpotNotice.Kind) async throws(HTTPClientError) -> HTTPResponse? {
    guard let token = try await currentToken() else { return nil }
    return try await send("GET", "meta-data/\(Self.path(of: kind))", ["X-aws-ec2-metadata-token": token])
  }

  /// The token of the session (IMDSv2), renewed at half its life; `nil` when the service gives none.
  private func currentToken() async throws(HTTPClientError) -> String? {
    if let token, .now < token.renewal { return token.text }
    token = nil
    let lifetime = Self.tokenLifetimeSeconds
    let answer = try await send("PUT", "api/token", ["X-aws-ec2-metadata-token-ttl-seconds": "\(lifetime)"])
    guard answer.status == 200 else { return nil }
    let text = String(decoding: answer.body, as: UTF8.self).trimmingWhitespace()
    guard MetadataService.isToken(text) else { return nil }
    token = (text, .now + .seconds(lifetime / 2))
    return text
  }

  private func send(_ method: String, _ path: String, _ headers: HTTPHeaders) async throws(HTTPClientError) -> HTTPResponse {
    try await client.send(
      HTTPClientRequest(method: method, url: endpoint.appending("/latest/\(path)"), headers: headers, bypassesProxy: true))
  }

  /// Reads `{"action": "terminate", "time": "2017-09-18T08:22:00Z"}` or `{"noticeTime": "2020-11-05T08:22:00Z"}`.
  static func read(_ body: [UInt8], _ kind: SpotNotice.Kind) -> Answer {
    do throws(MessageError) {
      switch kind {
      case .interruption:
        let answer = try WireCoding.decodeJSON(InstanceAction.self, from: body)
        guard InstanceMetadata.isWord(answer.action) else { throw MessageError(field: "action", problem: "is no word") }
        return .notice(Notice(kind: kind, action: answer.action, time: answer.time))
      case .rebalance:
        return .notice(Notice(kind: kind, action: nil, time: try WireCoding.decodeJSON(Recommendation.self, from: body).noticeTime))
      }
    } catch {
      return .problem("its answer cannot be read: \(error)")
    }
  }

  private struct InstanceAction: Decodable {
    let action: String
    let time: Timestamp
  }

  private struct Recommendation: Decodable {
    let noticeTime: Timestamp
  }
}
