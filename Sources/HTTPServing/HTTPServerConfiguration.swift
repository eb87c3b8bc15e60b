/// Where a server listens and what it takes from a client at most.
public struct HTTPServerConfiguration: Sendable {
  /// Bytes of a request's body; more is answered 413.
  public static let defaultBodyLimit = 1 << 20
  /// Bytes of memory a connection has for the request line and headers; more is answered 414 or 431.
  public static let defaultHeaderMemory = 32 << 10
  /// Connections at one time; more wait in the kernel's queue.
  public static let defaultConnections = 1000
  /// Requests being handled at one time; more are answered 503 at once.
  public static let defaultRequests = 256
  /// How long a client may take.
  public static let defaultClientTimeout = Duration.seconds(30)
  /// How long a handler may take.
  public static let defaultHandlerTimeout = Duration.seconds(25)
  /// How long a stop waits.
  public static let defaultStopTimeout = Duration.seconds(5)

  /// An IPv4 or IPv6 address of this machine; `0.0.0.0` or `::` for all of them.
  public var address: String
  /// A TCP port; 0 picks a free one.
  public var port: Int
  /// The most bytes of a body.
  public var bodyLimit = defaultBodyLimit
  /// Bytes of memory for the request line and headers of one connection.
  public var headerMemory = defaultHeaderMemory
  /// The most connections.
  public var connections = defaultConnections
  /// The most requests being handled.
  public var requests = defaultRequests
  /// The time a client has to send a whole request, from the connection's begin or the answer before, and to take the whole answer.
  /// A connection that needs longer is closed, however busily it sends single bytes.
  public var clientTimeout = defaultClientTimeout
  /// The time a handler has; then the client is answered 504 and the handler's task is cancelled.
  public var handlerTimeout = defaultHandlerTimeout
  /// The time a graceful stop gives the requests under way; then they are answered 503.
  public var stopTimeout = defaultStopTimeout

  /// A server on this address with the default limits.
  public init(address: String = "127.0.0.1", port: Int) {
    self.address = address
    self.port = port
  }
}
