import HTTP

/// A request as the server hands it to its handler: received whole, decoded and within the limits.
public struct HTTPRequest: Sendable {
  /// `GET`, `HEAD`, `POST`, … as the client wrote it. The answer to a HEAD loses its body by itself.
  public var method: String
  /// The path, percent-decoded, beginning with `/`.
  public var path: String
  /// The parts of the path between slashes, each decoded by itself, so that an encoded slash (`%2F`) does not make another part.
  public var pathSegments: [String]
  /// The query's fields, decoded (`+` is a space); of several with one name the first.
  public var query: [String: String]
  /// The header fields.
  public var headers: HTTPHeaders
  /// The body as it came.
  public var body: [UInt8]
  /// The client's address without its port: that of a proxy when there is one.
  public var remoteAddress: String

  /// A request, for whoever calls a handler without a server. Throws nothing: `target` must be valid, or `nil` comes back.
  public init?(
    method: String, target: String, headers: HTTPHeaders = [:], body: [UInt8] = [], remoteAddress: String = "127.0.0.1"
  ) {
    guard let target = try? RequestTarget(Array(target.utf8)) else { return nil }  // the initializer has its own word for "invalid": nil
    self.init(method: method, target: target, headers: headers, body: body, remoteAddress: remoteAddress)
  }

  init(method: String, target: RequestTarget, headers: HTTPHeaders, body: [UInt8], remoteAddress: String) {
    self.method = method
    path = target.path
    pathSegments = target.segments
    query = target.query
    self.headers = headers
    self.body = body
    self.remoteAddress = remoteAddress
  }
}
