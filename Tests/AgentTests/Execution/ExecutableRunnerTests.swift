import FleetProtocol
import Foundation
import ServiceRuntime
import TestSupport
import Testing

@testable import Agent

@Suite struct ExecutableRunnerTests {
  private func lines(_ outcome: ExecutableRunner.Outcome) -> [String] {
    outcome.standardOutput.text.split(separator: "\n").map(String.init)
  }

  // MARK: - What a program gets

  @Test func exitCodeAndBothStreamsAreReported() async throws {
    let outcome = try await CommandsFixture().run("echo out; echo err >&2; exit 3")
    #expect(outcome.end == .exited(3))
    #expect(outcome.standardOutput == CapturedOutput(text: "out\n", bytes: 4))
    #expect(outcome.standardError == CapturedOutput(text: "err\n", bytes: 4))
  }

  @Test func standardInputIsWholeAndEnds() async throws {
    let input = String(repeating: "0123456789abcdef", count: 16_384)
    let outcome = try await CommandsFixture().run("cat", input: input)
    #expect(outcome.end == .exited(0) && outcome.standardOutput.text == input)
    let unread = try await CommandsFixture().run("exit 0", input: input)
    #expect(unread.end == .exited(0))
    let none = try await CommandsFixture().run("cat; echo end")
    #expect(none.standardOutput.text == "end\n")
  }

  @Test func theEnvironmentIsTheRequestsAndTheCommandLineIsTheNameAlone() async throws {
    let variables = ["PATH": "/usr/bin:/bin", "SPOT_OPTIMIZER_PARAM_A": "two words\n$(line)", "EMPTY": ""]
    let outcome = try await CommandsFixture().run(
      "tr '\\0' '|' </proc/$$/environ; echo; tr '\\0' '|' </proc/$$/cmdline", environment: variables)
    #expect(
      outcome.standardOutput.text == "EMPTY=|PATH=/usr/bin:/bin|SPOT_OPTIMIZER_PARAM_A=two words\n$(line)|\n/bin/sh|./script|")
  }

  @Test func theAgentsTokenReachesNoProgram() async throws {
    let token = "token-\(UUID().uuidString)"
    let settings = try AgentSettings(
      Environment([
        "SPOT_OPTIMIZER_SERVER_URL": "http://server:5000", "SPOT_OPTIMIZER_CLIENT_TOKEN": token,
        "SPOT_OPTIMIZER_STATE_DIR": temporaryFolder(), "HOME": "/root",
      ]))
    let command = Command(
      id: "c-1", agentID: "a-1", commandType: "script", parameters: ["target": "spot"], createdAt: .now(), timeoutSeconds: 60)
    let environment = CommandEnvironment(home: settings.home, agentID: "a-1", logicalAgentID: "agent.1", clientID: "client-1")
    let fixture = try CommandsFixture()
    try fixture.add("script", "cat /proc/$$/environ /proc/$$/cmdline; cat")
    let request = try ExecutableRunner.Request(command, file: fixture.folder.find("script"), environment: environment)
    let outcome = await ExecutableRunner(timings: .forTests).run(request)
    #expect(outcome.standardOutput.text.contains("SPOT_OPTIMIZER_COMMAND_ID=c-1"))
    #expect(outcome.standardOutput.text.hasSuffix("{\"target\":\"spot\"}\n"))
    #expect(!outcome.standardOutput.text.contains(token))
  }

  @Test func noOtherDescriptorIsInherited() async throws {
    let inheritable = dup(STDERR_FILENO)
    defer { close(inheritable) }
    #expect(fcntl(inheritable, F_GETFD) == 0)
    let fixture = try CommandsFixture()
    let outcome = try await fixture.run("for f in /proc/$$/fd/*; do readlink $f; done")
    // The shell keeps the script itself open.
    let others = lines(outcome).filter { !$0.hasSuffix("\(fixture.path)/script") }
    #expect(others.count == 3 && others[0].contains("standard-input") && others[1...].allSatisfy { $0.hasPrefix("pipe:") }, "\(others)")
  }

  @Test func noSignalIsBlockedOrIgnored() async throws {
    signal(SIGPIPE, SIG_IGN)
    let outcome = try await CommandsFixture().run("grep -E '^Sig(Blk|Ign):' /proc/self/status")
    let masks = lines(outcome).compactMap { $0.split(separator: "\t").last.flatMap { UInt64($0, radix: 16) } }
    // glibc ignores two signals of its own, 32 and 33, in whatever it spawns; no program sees them.
    #expect(masks.count == 2 && masks.allSatisfy { $0 & ~0x1_8000_0000 == 0 }, "\(lines(outcome))")
  }

  @Test func aProgramHasASessionAndAGroupOfItsOwnAndRunsInTheCommandsFolder() async throws {
    let fixture = try CommandsFixture()
    let group = Lock<Int32>(0)
    let outcome = try await fixture.run(
      "cut -d ' ' -f 1,5,6 /proc/$$/stat; pwd -P; : 2>/dev/null </dev/tty && echo terminal; exit 0",
      onStart: { id in group.withLock { $0 = id } })
    let id = group.withLock { $0 }
    let folder = URL(fileURLWithPath: fixture.path).resolvingSymlinksInPath().path
    #expect(lines(outcome) == ["\(id) \(id) \(id)", folder])
  }

  @Test func aBrokenFileIsToldInItsOwnWords() async throws {
    let fixture = try CommandsFixture()
    for (text, problem) in [
      ("#!/nonexistent/interpreter\n", "names an interpreter in its first line that does not exist ([Errno 2]"),
      ("#!\n", "is neither a program for this machine nor a script ([Errno 8]"),
    ] {
      try fixture.add("broken", text)
      let outcome = await ExecutableRunner().run(try fixture.request("broken"))
      guard case .failedToStart(let reason) = outcome.end else {
        Issue.record("\(outcome)")
        continue
      }
      #expect(reason.contains("'\(fixture.path)/broken' \(problem)"), "\(reason)")
    }
  }

  @Test func aFileThatChangedSinceItWasFoundIsCheckedAgain() async throws {
    let fixture = try CommandsFixture()
    try fixture.add("script", "echo ran")
    let request = try fixture.request("script")
    try fixture.setMode(0o777, "\(fixture.path)/script")
    let outcome = await ExecutableRunner().run(request)
    if case .failedToStart(let reason) = outcome.end {
      #expect(reason.contains("can be written by others"))
    } else {
      Issue.record("\(outcome)")
    }
  }

  // MARK: - How a program ends

  @Test func anEndThatSomebodyElseWasToldIsNotWaitedForAgain() async throws {
    // Takes the program's end away from the run, as a library with a handler of its own would.
    let outcome = try await CommandsFixture().run("exit 0", onStart: { id in while waitpid(id, nil, 0) < 0 && errno == EINTR {} })
    if case .failedToStart(let reason) = outcome.end {
      #expect(reason.contains("the system does not tell how"))
    } else {
      Issue.record("\(outcome)")
    }
  }

  @Test func aSignalThatIsNotOursIsReported() async throws {
    #expect(try await CommandsFixture().run("kill -9 $$").end == .signalled(SIGKILL))
  }

  @Test func aProgramThatClosesItsOutputIsStillWaitedFor() async throws {
    #expect(try await CommandsFixture().run("exec >&- 2>&-; sleep 0.3; exit 4").end == .exited(4))
  }

  @Test func theTimeLimitEndsTheWholeGroup() async throws {
    let outcome = try await CommandsFixture().run(
      "(sleep 300 & echo $!; wait) & sleep 300 & echo $!; wait", timeLimit: .milliseconds(500))
    #expect(outcome.end == .timedOut)
    let children = lines(outcome).compactMap { Int($0) }
    #expect(children.count == 2)
    for child in children { #expect(!isRunning(child)) }
  }

  @Test func whoeverIgnoresTheFirstSignalIsKilled() async throws {
    let outcome = try await CommandsFixture().run(
      "trap 'echo told' TERM; (trap '' TERM; echo $(exec sh -c 'echo $PPID'); while :; do sleep 0.1; done) & while :; do sleep 0.1; done",
      timeLimit: .seconds(1))
    #expect(outcome.end == .timedOut)
    #expect(lines(outcome).last == "told")
    let child = try #require(lines(outcome).first.flatMap { Int($0) })
    #expect(!isRunning(child))
  }

  @Test func aChildThatIsLeftInTheGroupDoesNotHoldTheRunAndEndsWithIt() async throws {
    let outcome = try await CommandsFixture().run("sleep 300 & echo $!; exit 7")
    #expect(outcome.end == .exited(7))
    let child = try #require(lines(outcome).first.flatMap { Int($0) })
    #expect(!isRunning(child))
  }

  @Test func aChildThatClosedItsOutputAndIgnoresSignalsEndsToo() async throws {
    let outcome = try await CommandsFixture().run("(trap '' TERM; exec >/dev/null 2>&1; while :; do sleep 0.1; done) & echo $!; exit 0")
    #expect(outcome.end == .exited(0))
    let child = try #require(lines(outcome).first.flatMap { Int($0) })
    #expect(!isRunning(child))
  }

  @Test func theLastWordsOfAPipeAreNotCutOff() async throws {
    let outcome = try await CommandsFixture().run("(sleep 0.1; echo late) & exit 0", timings: RunTimings())
    #expect(outcome.end == .exited(0) && outcome.standardOutput.text == "late\n")
  }

  @Test func whatMovesToAnotherSessionLivesOnAndIsNotWaitedFor() async throws {
    let outcome = try await CommandsFixture().run("setsid sleep 300 & sleep 0.2; echo $!; exit 0")
    #expect(outcome.end == .exited(0))
    let child = try #require(lines(outcome).first.flatMap { Int($0) })
    #expect(isRunning(child))
    kill(pid_t(child), SIGKILL)
  }

  @Test func cancellingEndsTheWholeGroup() async throws {
    let fixture = try CommandsFixture()
    try fixture.add("script", "sleep 300 & echo $!; wait")
    let request = try fixture.request("script")
    let seen = Lock("")
    let outcome = try await withThrowingTaskGroup(of: ExecutableRunner.Outcome.self) { group in
      group.addTask {
        await ExecutableRunner(timings: .forTests).run(
          request, onOutput: { _, text in seen.withLock { $0 += String(decoding: text, as: UTF8.self) } })
      }
      try await eventually("it runs") { seen.withLock { $0.hasSuffix("\n") } }
      group.cancelAll()
      return try #require(try await group.next())
    }
    #expect(outcome.end == .cancelled)
    let child = try #require(lines(outcome).first.flatMap { Int($0) })
    #expect(!isRunning(child))
  }

  @Test func whatIsCancelledBeforeItBeginsIsNotBegun() async throws {
    let fixture = try CommandsFixture()
    try fixture.add("script", "touch ran")
    let request = try fixture.request("script")
    let outcome = await withTaskGroup(of: ExecutableRunner.Outcome.self) { group in
      group.cancelAll()
      group.addTask { await ExecutableRunner().run(request) }
      return await group.next()
    }
    #expect(outcome?.end == .cancelled)
    #expect(!FileManager.default.fileExists(atPath: "\(fixture.path)/ran"))
  }

  // MARK: - Output

  @Test func outputIsHandedOnWhileTheProgramRuns() async throws {
    let fixture = try CommandsFixture()
    let pieces = Lock<[(CommandOutput.Stream, String)]>([])
    let outcome = try await fixture.run(
      "echo first; while ! [ -e seen ]; do sleep 0.05; done; echo last >&2",
      onOutput: { stream, text in
        pieces.withLock { $0.append((stream, String(decoding: text, as: UTF8.self))) }
        // The program goes on only when its first line was seen here.
        #expect(FileManager.default.createFile(atPath: "\(fixture.path)/seen", contents: nil))
      })
    #expect(outcome.end == .exited(0))
    let heard = pieces.withLock { $0 }
    #expect(heard.map(\.0) == [.standardOutput, .standardError] && heard.map(\.1) == ["first\n", "last\n"])
  }

  @Test func outputBeyondTheLimitIsCutInTheMiddleAndSaysSo() async throws {
    let outcome = try await CommandsFixture().run("echo begin; head -c 3000000 /dev/zero | tr '\\0' x; echo; echo end")
    #expect(outcome.end == .exited(0) && outcome.standardOutput.bytes == 3_000_011)
    let text = outcome.standardOutput.text
    #expect(text.hasPrefix("begin\nxxx") && text.hasSuffix("xxx\nend\n") && text.utf8.count <= MessageLimits.outputBytes)
    #expect(text.firstMatch(of: /\n\[… [0-9]+ bytes cut …\]\n/) != nil)
  }

  @Test func whatIsNoTextIsRepaired() async throws {
    let outcome = try await CommandsFixture().run("printf 'a\\377b\\000c\\303'")
    #expect(outcome.standardOutput == CapturedOutput(text: "a\u{fffd}b\u{fffd}c\u{fffd}", bytes: 6))
  }

  @Test func aProgramThatWritesAsFastAsItCanIsReadUntilItsTimeIsOver() async throws {
    let outcome = try await CommandsFixture().run("exec yes 'as fast as it can'", timeLimit: .seconds(1))
    #expect(outcome.end == .timedOut)
    #expect(outcome.standardOutput.bytes > 4 * MessageLimits.outputBytes)
    #expect(outcome.standardOutput.text.utf8.count <= MessageLimits.outputBytes)
  }

  // MARK: - Many

  @Test func sixtyFourRunAtOnce() async throws {
    let fixture = try CommandsFixture()
    try fixture.add("script", "touch here.$1$$; while [ $(ls | grep -c here) -lt 64 ]; do sleep 0.2; done; cat")
    let outcomes = try await withThrowingTaskGroup(of: ExecutableRunner.Outcome.self) { group in
      for number in 0..<64 {
        let request = try fixture.request("script", input: "\(number)")
        group.addTask { await ExecutableRunner(timings: .forTests).run(request) }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    // Each ends only when all have begun.
    #expect(outcomes.allSatisfy { $0.end == .exited(0) })
    #expect(Set(outcomes.map(\.standardOutput.text)) == Set((0..<64).map { "\($0)" }))
  }

  @Test func runsLeaveNeitherDescriptorsNorDeadProcesses() async throws {
    let fixture = try CommandsFixture()
    try fixture.add("script", "cat; sleep 5 & exit 0")
    try fixture.add("broken", "#!/nonexistent\n")
    let started = Lock<[Int32]>([])
    let runner = ExecutableRunner(timings: RunTimings(grace: .milliseconds(100), linger: .zero, drain: .zero, groupCheck: .milliseconds(5)))
    func descriptors() throws -> Int { try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count }
    let before = try descriptors()
    for _ in 0..<60 {
      _ = await runner.run(try fixture.request("script", input: "x"), onStart: { id in started.withLock { $0.append(id) } })
      _ = await runner.run(try fixture.request("broken"))
    }
    // Other tests of this process open and close some too.
    #expect(try descriptors() < before + 60)
    let ids = started.withLock { $0 }
    #expect(ids.count == 60)
    for id in ids { #expect(!FileManager.default.fileExists(atPath: "/proc/\(id)")) }
  }
}
