import FleetProtocol
import ServiceRuntime
import Testing

@testable import AMQP
@testable import Server

/// What no worker could use is kept with its reason, and one bad message never costs a good one.
@Suite struct DeadLetterTests {
  private func letter(_ change: (inout Message) -> Void = { _ in }) -> DeadLetter {
    var message = Message(body: [1, 2], type: "heartbeat", messageID: "m1", persistent: false, headers: ["signature": .text("s")])
    change(&message)
    let delivery = Delivery(message: message, exchange: "fleet.inbox", routingKey: "heartbeat.c1.a1", deliveryTag: 1, redelivered: true)
    return DeadLetter(Unusable(delivery: delivery, reason: "it is broken"))
  }

  @Test func keepsTheMessageWithReasonAndOrigin() {
    let publication = letter().publication
    #expect(publication.exchange == "fleet.dead" && publication.routingKey == "heartbeat.c1.a1" && publication.mandatory)
    let message = publication.message
    #expect(message.body == [1, 2] && message.type == "heartbeat" && message.messageID == "m1" && message.persistent)
    #expect(message.headers["reason"] == .text("it is broken") && message.headers["original-routing-key"] == .text("heartbeat.c1.a1"))
    #expect(message.headers["signature"] == .text("s"))
  }

  @Test func carriesNothingThatTheBrokerObeys() {
    let sent = letter {
      $0.userID = "c1.a1"
      $0.expiration = "1"
      $0.replyTo = "amq.rabbitmq.reply-to.x"
      $0.headers["CC"] = .array([.text("agent.c2.a1.1")])
      $0.headers["BCC"] = .array([.text("agent.c2.a1.1")])
    }
    let message = sent.publication.message
    #expect(message.userID == nil && message.expiration == nil && message.replyTo == nil)
    #expect(message.headers["CC"] == nil && message.headers["BCC"] == nil)
  }

  @Test func hasABareFormThatCanAlwaysBeSent() {
    var letter = letter {
      $0.messageID = String(repeating: "\u{fffd}", count: 255)
      $0.headers["x"] = .text(String(repeating: "x", count: 130_000))
    }
    letter.isBare = true
    let publication = letter.publication
    #expect(publication.routingKey.isEmpty && publication.message.messageID == nil && publication.message.body == [1, 2])
    #expect(publication.message.headers == ["reason": .text("it is broken"), "original-routing-key": .text("heartbeat.c1.a1")])
  }

  @Test func shortensAReasonWithoutEnd() {
    let delivery = letter().delivery
    let long = DeadLetter(Unusable(delivery: delivery, reason: String(repeating: "x", count: 5000)))
    #expect(long.reason.count == DeadLetter.longestReason)
  }

  @Test func acknowledgementsNeverCoverALetter() {
    typealias Ack = Acknowledgement
    #expect(Ack.plan(5...9, letters: [], waiting: []) == [Ack(tag: 9, multiple: true)])
    // A letter of this batch may be buried, and no longer wait, before the others are acknowledged.
    for waiting in [[7], []] as [Set<UInt64>] {
      #expect(
        Ack.plan(5...9, letters: [7], waiting: waiting) == [
          Ack(tag: 6, multiple: true), Ack(tag: 8, multiple: false), Ack(tag: 9, multiple: false),
        ])
      #expect(Ack.plan(5...6, letters: [5], waiting: waiting) == [Ack(tag: 6, multiple: false)])
      #expect(Ack.plan(5...6, letters: [6], waiting: waiting) == [Ack(tag: 5, multiple: true)])
      #expect(Ack.plan(5...6, letters: [5, 6], waiting: waiting) == [])
    }
    #expect(Ack.plan(5...6, letters: [], waiting: [3]) == [Ack(tag: 5, multiple: false), Ack(tag: 6, multiple: false)])
  }

  @Test func acknowledgementsCoverEverythingElseOnce() {
    var generator = SystemRandomNumberGenerator()
    for _ in 0..<500 {
      let first = UInt64.random(in: 1...20, using: &generator)
      let tags = first...(first + .random(in: 0...20, using: &generator))
      let letters = Set(tags.filter { _ in Bool.random(using: &generator) })
      let waiting = Set((1...first).filter { $0 < first && Bool.random(using: &generator) })
      var outstanding = Set(tags).union(waiting)
      for ack in Acknowledgement.plan(tags, letters: letters, waiting: waiting) {
        #expect(outstanding.contains(ack.tag), "tag \(ack.tag) is named twice")
        outstanding = outstanding.filter { ack.multiple ? $0 > ack.tag : $0 != ack.tag }
      }
      #expect(outstanding == letters.union(waiting))
    }
  }
}
