import Server
import ServiceRuntime
import Testing

@testable import spotctl

/// What a follower shows: each event once, and from where it reads on.
@Suite struct EventProgressTests {
  private func event(_ seq: Int64, data: String = "{}") -> StoredEvent {
    StoredEvent(
      seq: seq, id: "id-\(seq)", time: Timestamp(milliseconds: 1_800_000_000_000), type: "agent.online", clientID: "c1", subject: "s",
      data: data)
  }

  @Test func eachIsNewsOnce() {
    var progress = EventProgress(after: 100)
    #expect(progress.resumeAfter == 100)
    let (first, second) = (progress.isNews(event(101)), progress.isNews(event(101)))
    #expect(first && !second)
    #expect(progress.resumeAfter == 100, "one that committed late may still be missing")
    let newer = progress.isNews(event(100_000))
    #expect(newer && progress.resumeAfter == 100_000 - EventProgress.overlap)
    let late = progress.isNews(event(99_999))
    #expect(late, "not yet shown")
  }

  @Test func itRemembersEnoughForWhatIsReadAgainAndNoMore() {
    var progress = EventProgress(after: 0)
    let count = Int64(EventProgress.capacity) + 10
    var news = 0
    for seq in 1...count where progress.isNews(event(seq)) { news += 1 }
    #expect(news == Int(count))
    for seq in (progress.resumeAfter + 1)...count where progress.isNews(event(seq)) { news += 1 }
    #expect(news == Int(count))
    let first = progress.isNews(event(1))
    #expect(first, "forgotten, and far behind what is read again")
  }

  @Test func aLineShowsWhatMattersAndCannotMoveTheCursor() {
    let line = EventLine.text(
      event(1, data: #"{"logical_agent_id":"web\u001b[2J","instance_id":"","extra":"x","status":"online","agent_id":"s","total":3}"#))
    #expect(line.contains("agent.online") && line.contains(#"logical_agent_id=web\u{1b}[2J"#) && line.hasSuffix("status=online  total=3"))
    #expect(EventLine.text(event(1, data: "no")).hasSuffix("(its data is no JSON)"))
    #expect(EventLine.text(event(1, data: #"{"error":"\#(String(repeating: "e", count: 200))"}"#)).hasSuffix("eee…"))
  }
}
