/// A request for `HTTPClient`.
public struct HTTPClientRequest: Sendable {
  /// `GET`, `HEAD`, `POST`, `PUT`, …
  public var method: String
  /// An `http://` or `https://` URL.
  public var url: String
  /// The header fields; the place for an `Authorization`, which never comes back in an error.
  public var headers: HTTPHeaders
  /// The body; sent with POST, PUT and PATCH, and with any other method but HEAD when it is not empty.
  public var body: [UInt8]
  /// How long the whole exchange may take; `nil` for the client's own time.
  public var timeout: Duration?
  /// How long connecting may take, name resolution and TLS included; `nil` for the client's own time.
  public var connectTimeout: Duration?
  /// Goes straight to the host whatever `http_proxy` says: instance metadata must never pass a proxy.
  public var bypassesProxy: Bool

  /// A request of these parts.
  public init(
    method: String = "GET", url: String, headers: HTTPHeaders = [:], body: [UInt8] = [], timeout: Duration? = nil,
    connectTimeout: Duration? = nil, bypassesProxy: Bool = false
  ) {
    self.method = method
    self.url = url
    self.headers = headers
    self.body = body
    self.timeout = timeout
    self.connectTimeout = connectTimeout
    self.bypassesProxy = bypassesProxy
  }
}
