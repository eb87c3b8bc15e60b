import Testing

@testable import Server
@testable import spotctl

/// How a rollout's progress is printed, and when it is over.
@Suite struct RolloutLineTests {
  @Test func anEstimateHasNoMoreDigitsThanItIsWorth() {
    let texts: [(Duration, String)] = [
      (.seconds(0), "0s"), (.milliseconds(1200), "2s"), (.seconds(59), "59s"), (.seconds(60), "1m 0s"), (.seconds(599), "9m 59s"),
      (.seconds(600), "10m"), (.seconds(3599), "59m"), (.seconds(12_000), "3h 20m"), (.seconds(187_200), "2d 4h"),
    ]
    for (duration, text) in texts { #expect(RolloutLine.roughly(duration) == text) }
  }

  @Test func theBarShowsWhatHasEndedAndWhatIsUnderWay() {
    func bar(ended: Int, sent: Int, waiting: Int) -> String {
      var counts = RolloutCounts()
      counts.succeeded = ended
      counts.sent = sent
      counts.waiting = waiting
      return RolloutLine.bar(counts)
    }
    #expect(bar(ended: 0, sent: 0, waiting: 2000) == "[                        ]")
    #expect(bar(ended: 0, sent: 1, waiting: 1999) == "[>                       ]")
    #expect(bar(ended: 1000, sent: 100, waiting: 900) == "[############>>          ]")
    #expect(bar(ended: 1999, sent: 1, waiting: 0) == "[#######################>]")
    #expect(bar(ended: 2000, sent: 0, waiting: 0) == "[########################]")
    #expect(bar(ended: 0, sent: 0, waiting: 0) == "[                        ]")
  }
}
