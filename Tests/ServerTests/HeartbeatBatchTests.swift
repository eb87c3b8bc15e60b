import FleetProtocol
import ServiceRuntime
import Testing

@testable import AMQP
@testable import Server

/// Several heartbeats of one agent become one update, and none of another's is lost by it.
@Suite struct HeartbeatBatchTests {
  private func verdict(_ agent: String, id: String, at seconds: Int64, tag: UInt64, status: AgentStatus = .online) throws -> Verdict<
    Heartbeat
  > {
    let address = try AgentAddress(clientID: "c1", logicalAgentID: agent)
    let body = BenchMessage.heartbeat(id, sentAt: Timestamp(milliseconds: seconds * 1000), status: status)
    let delivery = Delivery(
      message: Message(body: []), exchange: "", routingKey: address.routingKey(.heartbeat), deliveryTag: tag, redelivered: false)
    return .accepted(Verified(body: body, address: address, account: BenchMessage.account(), delivery: delivery))
  }

  @Test func keepsTheNewestOfEachAgentInWhateverOrderTheyCome() throws {
    var batch = HeartbeatBatch()
    for (index, second) in [3, 5, 1, 4].enumerated() { batch.add(try verdict("a1", id: "i1", at: Int64(second), tag: UInt64(index + 1))) }
    batch.add(try verdict("a2", id: "i2", at: 2, tag: 5))
    #expect(batch.count == 5 && batch.newest.count == 2 && batch.tags == 1...5)
    #expect(batch.newest.values.map(\.body.sentAt.seconds).sorted() == [2, 5])
  }

  @Test func letsTheLaterOfTwoOfOneMomentCount() throws {
    var batch = HeartbeatBatch()
    batch.add(try verdict("a1", id: "i1", at: 3, tag: 1))
    batch.add(try verdict("a1", id: "i1", at: 3, tag: 2, status: .offline))
    #expect(batch.newest.values.map(\.body.status) == [.offline])
  }

  @Test func letsAWrongIdTakeNoPlaceFromAGoodOne() throws {
    var batch = HeartbeatBatch()
    batch.add(try verdict("a1", id: "right", at: 3, tag: 1))
    batch.add(try verdict("a1", id: "wrong", at: 9, tag: 2))
    #expect(Set(batch.newest.keys.map(\.id)) == ["right", "wrong"])
  }

  @Test func countsWhatIsRefusedAndUnusableAmongItsTags() throws {
    var batch = HeartbeatBatch()
    #expect(batch.isEmpty && batch.tags == nil)
    let delivery = Delivery(message: Message(body: []), exchange: "", routingKey: "x", deliveryTag: 7, redelivered: false)
    batch.add(.unusable(Unusable(delivery: delivery, reason: "r")))
    batch.add(try verdict("a1", id: "i1", at: 3, tag: 8))
    #expect(batch.count == 2 && batch.unusable.count == 1 && batch.tags == 7...8)
  }
}
