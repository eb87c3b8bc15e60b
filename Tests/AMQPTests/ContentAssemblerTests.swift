import Testing

@testable import AMQP

@Suite struct ContentAssemblerTests {
  private let deliver = InboundMethod.deliver(
    DeliveryHead(consumerTag: "c", deliveryTag: 7, redelivered: false, exchange: "e", routingKey: "k"))

  @Test func bodyInSeveralFramesIsPutTogether() throws {
    var assembler = ContentAssembler()
    try assembler.begin(deliver)
    #expect(try assembler.header(bodySize: 5, Message(body: [])) == nil)
    #expect(try assembler.body([1, 2]) == nil)
    let content = try assembler.body([3, 4, 5])
    guard case .delivery(let delivery) = content else { throw AMQPError(.invalid, "no delivery") }
    #expect(delivery.head.consumerTag == "c")
    #expect(delivery.message.body == [1, 2, 3, 4, 5])
    #expect(delivery.deliveryTag == 7)
    #expect(assembler.isIdle)
  }

  @Test func emptyBodyIsCompleteWithItsHeader() throws {
    var assembler = ContentAssembler()
    try assembler.begin(.returned(code: 312, text: "NO_ROUTE", exchange: "e", routingKey: "k"))
    var message = Message(body: [])
    message.messageID = "m1"
    let content = try assembler.header(bodySize: 0, message)
    guard case .returned(let error, "m1") = content else { throw AMQPError(.invalid, "no return") }
    #expect(error.kind == .returned(code: 312))
  }

  @Test func framesOutOfOrderAreAnErrorAndNoCrash() throws {
    var assembler = ContentAssembler()
    #expect(throws: AMQPError.self) { try assembler.header(bodySize: 1, Message(body: [])) }
    #expect(throws: AMQPError.self) { try assembler.body([1]) }
    try assembler.begin(deliver)
    #expect(throws: AMQPError.self) { try assembler.begin(deliver) }
    _ = try assembler.header(bodySize: 1, Message(body: []))
    #expect(throws: AMQPError.self) { try assembler.body([1, 2]) }
  }

  @Test func announcedSizeBeyondTheLimitIsRefused() throws {
    var assembler = ContentAssembler()
    try assembler.begin(deliver)
    #expect(throws: AMQPError.self) { try assembler.header(bodySize: .max, Message(body: [])) }
  }
}
