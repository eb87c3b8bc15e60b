import FleetProtocol
import ServiceRuntime
import Testing

@testable import AMQP
@testable import Server

/// Answers go to whoever asked, and to no place of a stranger's choice.
@Suite struct ReplyTests {
  private let notice = ErrorNotice(.unknownAgent, messageID: "m1")
  private let now = Timestamp(milliseconds: 1_700_000_000_123)

  private func request(replyTo: String?, id: String? = "m1") -> Delivery {
    var message = Message(body: [], messageID: id)
    message.replyTo = replyTo
    return Delivery(message: message, exchange: "", routingKey: "heartbeat.c1.a1", deliveryTag: 1, redelivered: false)
  }

  @Test func goesToADirectReplyToAddressOnly() throws {
    for place in [
      nil, "", "agent.c2.a1.1", "fleet.dead-letters", "amq.rabbitmq.reply-to", "amq.rabbitmq.reply-toX", "AMQ.RABBITMQ.REPLY-TO.x",
    ] {
      #expect(
        try Reply.publication(notice, to: request(replyTo: place), account: BenchMessage.account(), at: now) == nil, "\(place ?? "nil")")
    }
    #expect(try Reply.publication(notice, to: request(replyTo: Reply.addressPrefix + "x", id: nil), account: nil, at: now) == nil)
    let publication = try #require(try Reply.publication(notice, to: request(replyTo: Reply.addressPrefix + "x"), account: nil, at: now))
    #expect(publication.exchange.isEmpty && publication.routingKey == "amq.rabbitmq.reply-to.x" && !publication.mandatory)
  }

  @Test func isSignedForItsRequestAndNoOther() throws {
    let account = BenchMessage.account()
    let publication = try #require(
      try Reply.publication(notice, to: request(replyTo: Reply.addressPrefix + "x"), account: account, at: now))
    let message = publication.message
    #expect(message.correlationID == "m1" && message.type == "error" && message.timestamp == 1_700_000_000 && !message.persistent)
    try envelope(message, routingKey: "reply.m1").verify(with: SigningKey(clientToken: account.token))
    #expect(throws: SignatureError.mismatch) {
      try envelope(message, routingKey: "reply.m2").verify(with: SigningKey(clientToken: account.token))
    }
  }

  @Test func ofAnUnknownClientIsNotSigned() throws {
    let publication = try #require(try Reply.publication(notice, to: request(replyTo: Reply.addressPrefix + "x"), account: nil, at: now))
    #expect(publication.message.headers.isEmpty)
  }

  @Test func fitsEvenTheLongestIdOfARequest() throws {
    let id = String(repeating: "x", count: 255)
    let publication = try #require(
      try Reply.publication(
        ErrorNotice(.unknownAgent, messageID: id), to: request(replyTo: Reply.addressPrefix + "x", id: id), account: BenchMessage.account(),
        at: now))
    #expect(publication.message.messageID.map { $0.utf8.count <= 255 } == true && publication.message.correlationID == id)
  }

  private func envelope(_ message: Message, routingKey: String) throws -> SignedEnvelope {
    guard case .text(let signature) = message.headers["signature"], case .int(let version) = message.headers["signature-version"] else {
      throw UnexpectedVerdict(description: "not signed")
    }
    return SignedEnvelope(
      type: message.type ?? "", messageID: message.messageID ?? "", timestamp: Int64(message.timestamp ?? 0), routingKey: routingKey,
      body: message.body, signature: signature, version: version)
  }
}
