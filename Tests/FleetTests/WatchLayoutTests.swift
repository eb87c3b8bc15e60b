import Server
import ServiceRuntime
import Testing

@testable import spotctl

/// What stands where on the live screen, without a terminal.
@Suite struct WatchLayoutTests {
  private let now = Timestamp(milliseconds: 1_800_000_000_000)

  private func snapshot(name: String = "web-1", events: Int = 60) -> FleetSnapshot {
    var snapshot = FleetSnapshot(time: now)
    snapshot.agents = [
      .init("online", 39_120), .init("offline", 800), .init("disabled", 7), .init("switching", 12), .init("error", 3), .init("asleep", 1),
    ]
    snapshot.commands = [.init("pending", 12), .init("running", 40)]
    snapshot.newestHeartbeat = now
    snapshot.oldestHeartbeat = now.advanced(by: .seconds(-31))
    snapshot.rollouts = [
      .init(id: name, command: "x", state: "running", total: 2000, ended: 1240, failed: 3),
      .init(id: "empty", command: "x", state: "preparing", total: 0, ended: 0, failed: 0),
    ]
    snapshot.events = (0..<events).map { index in
      FleetSnapshot.Event(
        seq: Int64(events - index), time: now.advanced(by: .seconds(-index)), type: "command.succeeded", subject: name,
        detail: "switch  rollout:\(name)")
    }
    return snapshot
  }

  private func lines(
    _ snapshot: FleetSnapshot, _ width: Int, _ height: Int?, _ title: WatchLayout.Title = .init(hint: "every 1s, Ctrl-C ends")
  ) -> [String] {
    WatchLayout(width: width, height: height).lines(snapshot, title)
  }

  @Test func eightyColumnsHaveRoomForAll() {
    let lines = lines(snapshot(), 80, 24)
    #expect(lines.count == 24 && lines.allSatisfy { CellText.width($0) <= 80 })
    #expect(lines[0].hasPrefix("Spot Optimizer  ") && lines[0].hasSuffix("every 1s, Ctrl-C ends") && lines[0].count == 80)
    #expect(lines[2] == "AGENTS      39943 in all   online 39120   offline 800   disabled 7")
    #expect(lines[3] == "            switching 12   error 3   asleep 1")
    #expect(lines.contains { $0.hasPrefix("HEARTBEATS  newest 0 s ago, oldest 31 s ago (of agents that are not offline)") })
    #expect(lines.contains { $0 == "COMMANDS    52 in flight   pending 12   running 40" })
    #expect(lines.contains { $0.hasPrefix("ROLLOUTS    x web-1  running     ████████░░░░░ 62 %   1240 of 2000   3 failed") })
    #expect(lines.contains { $0.contains("x empty  preparing   ░░░░░░░░░░░░░ 0 %   0 of 0") })
    #expect(lines.last?.contains("command.succeeded  web-1  switch  rollout:web-1") == true)
  }

  @Test func twoHundredColumnsAreUsed() {
    let name = "an-agent-with-quite-a-long-name-in-a-wide-terminal"
    let lines = lines(snapshot(name: name), 200, 50)
    #expect(lines.count == 50 && lines.allSatisfy { CellText.width($0) <= 200 })
    #expect(lines[0].count == 200)
    #expect(lines.contains { $0.contains("  \(name)  switch  rollout:\(name)") }, "nothing is cut that has room")
    #expect(lines.contains { $0.contains("asleep 1") && $0.hasPrefix("AGENTS") })
    #expect(lines.first { $0.hasPrefix("ROLLOUTS") }?.count(where: { "█░".contains($0) }) == 60)
  }

  @Test func aLongNameIsCutAndMovesNothingElse() {
    let lines = lines(snapshot(name: String(repeating: "n", count: 240)), 80, 24)
    #expect(lines.contains { $0.contains("  \(String(repeating: "n", count: 19))…  switch") })
    #expect(lines.contains { $0.hasPrefix("ROLLOUTS    x \(String(repeating: "n", count: 17))…  running   ") })
  }

  @Test func nothingInANameCanMoveTheCursor() {
    let hostile = "a\u{1b}[2J\u{9b}31m\r\n\t\u{202e}b\u{200b}\u{2028}\u{7}"
    var snapshot = snapshot(name: hostile)
    snapshot.agents.append(.init(hostile, 1))
    let title = WatchLayout.Title(target: "name=\"\(hostile)\"", hint: hostile, trouble: hostile)
    for width in [80, 200] {
      for line in lines(snapshot, width, 40, title) {
        #expect(CellText.width(line) <= width)
        #expect(
          !line.unicodeScalars.contains {
            $0.value < 0x20 || (0x7f...0x9f).contains($0.value) || [0x202e, 0x200b, 0x2028].contains($0.value)
          })
      }
    }
  }

  @Test func cellsAreCountedAsTheTerminalDoes() {
    #expect(CellText.cut("abcdef", to: 6) == "abcdef" && CellText.cut("abcdefg", to: 6) == "abcde…")
    #expect(CellText.width("日本") == 4 && CellText.cut("日本語", to: 5) == "日本…" && CellText.cut("日本語", to: 4) == "日…")
    #expect(CellText.width("e\u{301}") == 1 && CellText.cut("e\u{301}bc", to: 3) == "e\u{301}bc")
    #expect(CellText.fit("日", to: 4) == "日  " && CellText.cut("x", to: 0) == "")
  }

  @Test func anyTerminalIsSmallEnough() {
    for (width, height) in [(1, 1), (10, 3), (40, 8), (80, 5)] {
      let lines = lines(snapshot(), width, height)
      #expect(lines.count <= height && lines.allSatisfy { CellText.width($0) <= width })
    }
  }

  @Test func paperHasTheNewestEventsAndNoMore() {
    let lines = lines(snapshot(), 120, nil)
    #expect(lines.count { $0.contains("command.succeeded") } == 10)
    let empty = WatchLayout(width: 120, height: nil).lines(FleetSnapshot(time: now), .init())
    #expect(empty.dropFirst() == ["AGENTS      0 in all", "COMMANDS    0 in flight", "EVENTS      none so far"])
  }

  @Test func whatIsChosenAndWhatIsWrongStandOnTop() {
    let lines = lines(snapshot(), 80, 24, .init(target: "tag:role=worker", hint: "", trouble: "the database is away"))
    #expect(lines[1] == "TARGET      tag:role=worker" && lines[2] == "TROUBLE     the database is away")
  }
}
