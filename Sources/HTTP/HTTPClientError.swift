import CCurl
import Glibc

/// A request that got no answer. `description` is the guide's text of the network layer, such as `[Errno 111] Connection refused`; it
/// never contains a header, a body or a password of the URL.
public struct HTTPClientError: Error, Equatable, CustomStringConvertible {
  /// What went wrong, for whoever decides whether to try again.
  public enum Kind: Sendable, Equatable {
    /// No connection, or it broke: the kernel's `errno`, 0 when there was none.
    case connection(Int32)
    /// The host's (or proxy's) name has no address.
    case resolution
    /// Not connected in time.
    case connectTimeout
    /// Connected, but the answer was not there in time.
    case readTimeout
    /// The TLS handshake failed, or the certificate is not trusted.
    case tls
    /// The answer is larger than the client takes.
    case tooLarge
    /// The request itself cannot be sent: its URL, method or a header.
    case invalidRequest
    /// The task was cancelled.
    case cancelled
    /// The client was closed.
    case closed
    /// Anything else, with libcurl's code.
    case other(UInt32)
  }

  /// What went wrong.
  public let kind: Kind
  /// One line for a log.
  public let description: String

  init(_ kind: Kind, _ description: String) {
    self.kind = kind
    self.description = description
  }

  static let cancelled = HTTPClientError(.cancelled, "The request was cancelled")
  static let closed = HTTPClientError(.closed, "The HTTP client is closed")

  static func tooLarge(_ limit: Int) -> HTTPClientError {
    HTTPClientError(.tooLarge, "The response is larger than \(limit) bytes")
  }

  static func invalidRequest(_ problem: String) -> HTTPClientError { HTTPClientError(.invalidRequest, problem) }

  /// The error of a transfer that libcurl ended with `code`. `systemError` is `CURLINFO_OS_ERRNO`, `wasConnected` whether the request could
  /// begin, `detail` libcurl's own words, which name host and certificate at most.
  init(code: CURLcode, systemError: Int32, wasConnected: Bool, detail: String) {
    switch code {
    case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY:
      // getaddrinfo's EAI_NONAME as the guide's agents print it; libcurl does not pass the code on.
      self.init(.resolution, "[Errno -2] Name or service not known")
    case CURLE_OPERATION_TIMEDOUT where wasConnected:
      self.init(.readTimeout, "Read timed out.")
    case CURLE_OPERATION_TIMEDOUT:
      self.init(.connectTimeout, "Connect timed out.")
    case CURLE_COULDNT_CONNECT, CURLE_SEND_ERROR, CURLE_RECV_ERROR:
      self.init(.connection(systemError), systemError == 0 ? detail : Self.text(systemError))
    case CURLE_GOT_NOTHING, CURLE_PARTIAL_FILE:
      self.init(.connection(systemError), "Remote end closed connection without a complete response")
    case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER,
      CURLE_SSL_ISSUER_ERROR:
      self.init(.tls, "TLS: \(detail)")
    case CURLE_UNSUPPORTED_PROTOCOL where wasConnected, CURLE_WEIRD_SERVER_REPLY:
      // libcurl says of whatever does not begin as an answer that it is of HTTP 0.9.
      self.init(.connection(0), "What answers there does not speak HTTP")
    case CURLE_URL_MALFORMAT, CURLE_UNSUPPORTED_PROTOCOL:
      self = .invalidRequest("The URL is not one of http:// or https://: \(detail)")
    default:
      self.init(.other(code.rawValue), detail)
    }
  }

  private static func text(_ systemError: Int32) -> String { "[Errno \(systemError)] \(String(cString: strerror(systemError)))" }
}
