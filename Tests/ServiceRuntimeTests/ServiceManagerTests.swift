import Foundation
import ServiceRuntime
import TestSupport
import Testing

/// What systemd hears, on a real datagram socket.
@Suite struct ServiceManagerTests {
  private static let silent = Logger(level: .error) { _ in }

  @Test(arguments: ["\(NSTemporaryDirectory())spot-optimizer-notify-\(UUID().uuidString)", "@spot-optimizer-notify-\(UUID().uuidString)"])
  func readyStatusAndStoppingArriveAtPathsAndAbstractNames(_ address: String) async throws {
    let receiver = try NotifySocketReceiver(address)
    defer { unlink(address) }
    let manager = try ServiceManager(Environment(["NOTIFY_SOCKET": address]), log: Self.silent)
    await manager.status("Waiting\nREADY=1")
    await manager.ready("At work")
    await manager.stopping()
    #expect(receiver.lines == ["STATUS=Waiting\\nREADY=1", "READY=1", "STATUS=At work", "STOPPING=1", "STATUS=Stopping"])
    #expect(manager.watchdogInterval == nil)
  }

  @Test func theWatchdogIsFedAtHalfOfItsTimeAndOnlyAfterTheProof() async throws {
    let receiver = try NotifySocketReceiver("@spot-optimizer-notify-\(UUID().uuidString)")
    let manager = try ServiceManager(Environment(["NOTIFY_SOCKET": receiver.address, "WATCHDOG_USEC": "40000"]), log: Self.silent)
    #expect(manager.watchdogInterval == .milliseconds(20))
    let stuck = StopRequest()
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await manager.keepWatchdog {} }
      try await eventually("the watchdog was fed three times") { receiver.lines.filter { $0 == "WATCHDOG=1" }.count >= 3 }
      group.cancelAll()
      await #expect(throws: CancellationError.self) { try await group.next() }
    }
    let before = receiver.lines.count
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await manager.keepWatchdog { await stuck.wait() } }
      try await Task.sleep(for: .milliseconds(100))
      #expect(receiver.lines.count == before)
      group.cancelAll()
    }
  }

  @Test func aProbeReturnsOnlyWhenItsExecutorHasTime() async throws {
    let executor = ThreadExecutor(name: "probed")
    let probe = ExecutorProbe(executor)
    await probe.visit()
    executor.stop()
  }

  @Test func nothingIsSentWithoutASocketAndAnotherProcessesWatchdogIsNotFed() async throws {
    let none = try ServiceManager(Environment(["WATCHDOG_USEC": "rubbish"]), log: Self.silent)
    await none.ready("Nobody hears this")
    #expect(none.watchdogInterval == nil)
    let others = try ServiceManager(
      Environment(["NOTIFY_SOCKET": "@spot-optimizer-x", "WATCHDOG_USEC": "40000", "WATCHDOG_PID": "1"]), log: Self.silent)
    #expect(others.watchdogInterval == nil)
  }

  @Test(arguments: [
    ("NOTIFY_SOCKET", "relative"), ("NOTIFY_SOCKET", "@"), ("NOTIFY_SOCKET", "/" + String(repeating: "x", count: 107)),
    ("WATCHDOG_USEC", "30s"), ("WATCHDOG_USEC", "0"), ("WATCHDOG_USEC", "-5"),
  ])
  func whatSystemdWouldNeverSetIsRefusedByName(_ variable: String, _ value: String) {
    let environment = Environment(["NOTIFY_SOCKET": "@spot-optimizer-x"].merging([variable: value]) { $1 })
    let error = #expect(throws: ConfigurationError.self) { try ServiceManager(environment, log: Self.silent) }
    #expect(error?.name == variable && error?.problem.contains(value) == true)
  }

  @Test func aSocketThatIsGoneIsAWarningAndNoMore() async throws {
    let lines = Lock<[String]>([])
    let log = Logger(level: .warning) { line in lines.withLock { $0.append(line) } }
    let manager = try ServiceManager(Environment(["NOTIFY_SOCKET": "/nowhere/notify"]), log: log)
    await manager.ready("At work")
    #expect(lines.withLock { $0 }.count == 1 && lines.withLock { $0 }[0].contains("/nowhere/notify - [Errno 2]"))
  }
}
