import HTTP
import ServiceRuntime

/// The EC2 instance metadata service, version 2: a session token by PUT, then one GET for each fact (AWS, "Use the Instance Metadata Service").
///
/// Time-outs are short, and the first question that fails ends the asking: off EC2 nothing answers at its address.
struct MetadataService: Sendable {
  private static let tokenLifetime = "60"

  private let endpoint: ServerURL
  private let questionTimeout: Duration
  private let limit: Duration

  init(endpoint: ServerURL, _ timings: AgentTimings) {
    self.endpoint = endpoint
    questionTimeout = timings.metadataTimeout
    limit = timings.metadataLimit
  }

  /// Everything it says in time; what it does not say is absent.
  func read() async -> InstanceMetadata {
    let client = HTTPClient(
      userAgent: AgentVersion.product, connectTimeout: questionTimeout, timeout: questionTimeout, responseLimit: 1 << 16)
    defer { client.close() }
    let end = ContinuousClock.now + limit
    func ask(_ method: String, _ path: String, _ headers: HTTPHeaders) async throws(HTTPClientError) -> String? {
      let left = min(questionTimeout, ContinuousClock.now.duration(to: end))
      guard left > .zero else { return nil }
      let answer = try await client.send(
        HTTPClientRequest(
          method: method, url: endpoint.appending("/latest/\(path)"), headers: headers, timeout: left, connectTimeout: left,
          bypassesProxy: true))
      guard answer.status == 200 else { return nil }
      return String(decoding: answer.body, as: UTF8.self).trimmingWhitespace()
    }

    var metadata = InstanceMetadata()
    do throws(HTTPClientError) {
      guard let token = try await ask("PUT", "api/token", ["X-aws-ec2-metadata-token-ttl-seconds": Self.tokenLifetime]),
        Self.isToken(token)
      else { return metadata }
      func fact(_ path: String) async throws(HTTPClientError) -> String? {
        guard let text = try await ask("GET", "meta-data/\(path)", ["X-aws-ec2-metadata-token": token]), InstanceMetadata.isWord(text)
        else {
          return nil
        }
        return text
      }
      metadata.instanceID = try await fact("instance-id")
      metadata.instanceType = try await fact("instance-type")
      metadata.region = try await fact("placement/region")
      metadata.availabilityZone = try await fact("placement/availability-zone")
      metadata.mode = InstanceMetadata.mode(lifeCycle: try await fact("instance-life-cycle"))
      metadata.imageID = try await fact("ami-id")
      metadata.privateAddress = try await fact("local-ipv4")
      metadata.publicAddress = try await fact("public-ipv4")
    } catch {
      // Not on EC2, or no longer answering: what is known so far is what there is.
      return metadata
    }
    return metadata
  }

  /// Visible ASCII, so that it can stand in a header line.
  static func isToken(_ text: String) -> Bool {
    !text.isEmpty && text.utf8.count <= 4096 && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f }
  }
}
