import Testing

@testable import AMQP

@Suite struct ConfirmLedgerTests {
  private func ledger(of count: Int) -> ConfirmLedger<Int> {
    var ledger = ConfirmLedger<Int>()
    for number in 1...count { #expect(ledger.published(number, messageID: "m\(number)") == UInt64(number)) }
    return ledger
  }

  @Test func singleConfirmSettlesItsMessageOnly() {
    var ledger = ledger(of: 3)
    #expect(ledger.settle(tag: 2, multiple: false, nacked: false).map(\.entry) == [2])
    #expect(ledger.count == 2)
    #expect(ledger.settle(tag: 2, multiple: false, nacked: false).isEmpty)
  }

  @Test func multipleConfirmSettlesEverythingUpToIt() {
    var ledger = ledger(of: 5)
    _ = ledger.settle(tag: 2, multiple: false, nacked: false)
    #expect(ledger.settle(tag: 4, multiple: true, nacked: false).map(\.entry) == [1, 3, 4])
    #expect(ledger.settle(tag: 0, multiple: true, nacked: false).map(\.entry) == [5])
    #expect(ledger.count == 0)
  }

  @Test func nackedMessagesAreReportedAsSuch() {
    var ledger = ledger(of: 2)
    let settled = ledger.settle(tag: 2, multiple: true, nacked: true)
    #expect(settled.map(\.entry) == [1, 2])
    #expect(settled.allSatisfy { $0.error?.kind == .nacked })
  }

  @Test func returnedMessageFailsWhenItsConfirmComes() {
    var ledger = ledger(of: 2)
    let returned = AMQPError(.returned(code: 312), "NO_ROUTE")
    ledger.returned(messageID: "m2", error: returned)
    ledger.returned(messageID: "unknown", error: returned)
    let settled = ledger.settle(tag: 2, multiple: true, nacked: false)
    #expect(settled.map(\.entry) == [1, 2])
    #expect(settled.map(\.error) == [nil, returned])
  }

  @Test func confirmForAnUnknownTagSettlesNothing() {
    var ledger = ledger(of: 1)
    #expect(ledger.settle(tag: 7, multiple: true, nacked: false).isEmpty)
    #expect(ledger.settle(tag: 0, multiple: false, nacked: false).isEmpty)
    #expect(ledger.count == 1)
  }

  @Test func abandonedMessageIgnoresItsLateConfirm() {
    var ledger = ledger(of: 2)
    #expect(ledger.abandon(tag: 1) == 1)
    #expect(ledger.settle(tag: 1, multiple: false, nacked: false).isEmpty)
    #expect(ledger.abandonAll() == [2])
    #expect(ledger.published(3, messageID: nil) == 3)
  }

  @Test func tagsStayRightAfterManyThousandMessages() {
    var ledger = ConfirmLedger<UInt64>()
    for tag in UInt64(1)...10_000 {
      #expect(ledger.published(tag, messageID: nil) == tag)
      if tag % 3 == 0 { #expect(ledger.settle(tag: tag - 1, multiple: false, nacked: false).map(\.entry) == [tag - 1]) }
    }
    #expect(ledger.settle(tag: 10_000, multiple: true, nacked: false).count == 10_000 - 3333)
    #expect(ledger.count == 0)
  }
}
