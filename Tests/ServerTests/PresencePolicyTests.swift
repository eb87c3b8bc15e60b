import ServiceRuntime
import Testing

@testable import Server

/// Nobody is called offline because of us.
@Suite struct PresencePolicyTests {
  /// The seconds at which silence counts, of those at which was looked. The time-out is 10 s, the limit 100 messages.
  private func counting(_ looks: [(second: Int, backlog: Int?)]) -> [Int] {
    var policy = PresencePolicy(timeout: .seconds(10), backlogLimit: 100)
    let start = ContinuousClock.now
    return looks.compactMap { look in policy.observe(backlog: look.backlog, at: start + .seconds(look.second)) ? look.second : nil }
  }

  private func looks(_ seconds: ClosedRange<Int>, backlog: Int = 0) -> [(second: Int, backlog: Int?)] { seconds.map { ($0, backlog) } }

  @Test func silenceCountsAfterOneWholeTimeOutOfListening() { #expect(counting(looks(0...12, backlog: 100)) == [10, 11, 12]) }

  @Test func aBacklogIsABreak() { #expect(counting(looks(0...9) + [(10, 101)] + looks(11...22)) == [21, 22]) }

  @Test func aQueueThatIsNotConsumedIsABreak() { #expect(counting(looks(0...10) + [(11, nil)] + looks(12...22)) == [10, 22]) }

  @Test func aLookThatComesLateIsABreak() {
    // The database did not answer for a minute: the heartbeats of that minute are not in the table yet.
    #expect(counting(looks(0...10) + looks(70...81)) == [10, 80, 81])
  }
}
