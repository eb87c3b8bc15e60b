/// What went wrong between us and the broker.
public struct AMQPError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The kinds a caller decides by.
  public enum Kind: Sendable, Equatable {
    /// No connection could be made; the errno when there is one.
    case connect(errno: Int32?)
    /// The broker closed the login: wrong user, password or credential (403).
    case loginRefused
    /// The broker closed the connection with this reply code (AMQP 0-9-1, 1.2 "Exceptions"), for example 320 or 530.
    case connectionClosed(code: Int)
    /// The broker closed the channel with this reply code, for example 403, 404 or 406.
    case channelClosed(code: Int)
    /// The broker ended the consumer (`basic.cancel`): its queue was deleted or its node is gone.
    case consumerCancelled
    /// A reply or a confirm was not there in time.
    case timeout
    /// The broker could not take responsibility for the message: repeat it.
    case nacked
    /// A mandatory message fits no queue (312); it was returned.
    case returned(code: Int)
    /// The broker is out of memory or disk and reads no more from publishers.
    case blocked
    /// We closed the connection or channel ourselves.
    case closed
    /// The connection broke: end of stream, missed heartbeats or another failure inside librabbitmq (its status code).
    case transport(status: Int32)
    /// Something cannot be sent or understood: too long, malformed, out of order.
    case invalid
  }

  /// The kind.
  public let kind: Kind
  /// What happened, for a log: without any secret.
  public let message: String

  /// An error with its text.
  public init(_ kind: Kind, _ message: String) {
    self.kind = kind
    self.message = message
  }

  /// The text.
  public var description: String { message }

  static let closedByUs = AMQPError(.closed, "the connection was closed by this program")
}
