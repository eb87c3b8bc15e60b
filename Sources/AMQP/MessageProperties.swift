/// The properties of a message, each as a value (AMQP 0-9-1, 1.8). `Message` says what they mean.
struct MessageProperties: Sendable, Equatable {
  var contentType: String?
  var type: String?
  var messageID: String?
  var correlationID: String?
  var replyTo: String?
  var timestamp: UInt64?
  var userID: String?
  var appID: String?
  var expiration: String?
  var priority: UInt8?
  var persistent: Bool
  var headers: FieldTable
}

extension MessageProperties {
  /// All that were received.
  init(_ received: ReceivedProperties) {
    self.init(
      contentType: received.text(.contentType), type: received.text(.type), messageID: received.text(.messageID),
      correlationID: received.text(.correlationID), replyTo: received.text(.replyTo), timestamp: received.timestamp,
      userID: received.text(.userID), appID: received.text(.appID), expiration: received.text(.expiration),
      priority: received.octet(.priority), persistent: received.octet(.deliveryMode) == 2, headers: received.headers)
  }
}
