import HTTP

/// One request while it comes in and until its answer is out. Lives on the server's thread only.
final class RequestReception {
  /// What to do after a piece of the request.
  enum Step: Equatable {
    case readOn
    /// Answer now and read no more; the connection is closed afterwards.
    case refuse(HTTPResponse)
    case drop
  }

  /// A body over the limit is read on and thrown away up to this many times the limit, because a client that is still sending when the
  /// connection closes often loses the answer (the kernel resets the connection).
  static let drainFactor = 8

  let connection: MicroHTTPConnection
  let descriptor: Int32
  private let target: [UInt8]
  private var headers = HTTPHeaders()
  private var body: [UInt8] = []
  private var received = 0
  private(set) var hasBegun = false
  /// Set once a handler has got the request.
  var identifier: UInt64?
  /// While the connection rests until the handler's answer.
  var waiting: Waiting?

  /// What ends the wait for a handler.
  struct Waiting {
    let deadline: ContinuousClock.Instant
    /// Finished when the request has its answer, so that a handler that is too late is cancelled.
    let answered: AsyncStream<Void>.Continuation
  }

  init(target: [UInt8], on connection: MicroHTTPConnection) {
    self.target = target
    self.connection = connection
    descriptor = connection.descriptor
  }

  /// The headers are in.
  func begin(limit: Int) -> Step {
    hasBegun = true
    headers = connection.headers
    guard let text = headers["Content-Length"], let length = Int(text), length > limit else { return .readOn }
    // A client that waits for `100 Continue` has sent nothing yet and reads the answer at once.
    return headers["Expect"] != nil || length > Self.drain(limit) ? .refuse(Self.tooLarge(limit)) : .readOn
  }

  /// A piece of the body is in.
  func append(_ bytes: UnsafeRawBufferPointer, limit: Int) -> Step {
    received += bytes.count
    if received <= limit {
      body.append(contentsOf: bytes)
    } else {
      body = []
      if received > Self.drain(limit) { return .drop }
    }
    return .readOn
  }

  /// The request is whole: what the handler gets, or the answer it would not have given.
  func finish(method: String, limit: Int) -> Result<HTTPRequest, Refusal> {
    guard received <= limit else { return .failure(Refusal(response: Self.tooLarge(limit))) }
    do throws(RequestTarget.Invalid) {
      let target = try RequestTarget(target)
      defer { body = [] }
      return .success(
        HTTPRequest(method: method, target: target, headers: headers, body: body, remoteAddress: connection.remoteAddress))
    } catch {
      return .failure(Refusal(response: .error(400, error.reason)))
    }
  }

  /// A request that no handler sees.
  struct Refusal: Error {
    let response: HTTPResponse
  }

  private static func drain(_ limit: Int) -> Int { limit > .max / drainFactor ? .max : limit * drainFactor }

  private static func tooLarge(_ limit: Int) -> HTTPResponse { .error(413, "Request body is larger than \(limit) bytes") }
}
