import Glibc
import MySQL
import Server
import ServiceRuntime
import TestSupport
import Testing

@testable import spotctl

/// The live screen as an operator has it, on a terminal and elsewhere.
@Suite struct SpotctlWatchTests {
  @Test func onceIsOneBlockOfPlainText() async throws {
    try await withDesk { desk in
      _ = try await desk.register("web-1")
      _ = try await desk.register("db-1")
      _ = try await desk.run("configure", "web-1", "replica_count=1")
      let all = try await desk.run("watch", "--once")
      #expect(all.code == 0 && all.lines.first?.hasPrefix("Spot Optimizer  ") == true)
      #expect(all.lines.contains("AGENTS      2 in all   online 2") && all.lines.contains("COMMANDS    1 in flight   pending 1"))
      #expect(all.lines.contains { $0.contains("command.pending") && $0.contains("web-1  configure") })
      let some = try await desk.run("watch", "--once", "--target", "name=db-1")
      #expect(some.lines.contains("TARGET      name=db-1") && some.lines.contains("AGENTS      1 in all   online 1"))
      #expect(some.lines.contains("COMMANDS    0 in flight") && !some.text.contains("web-1"))
      #expect(try await desk.run("watch", "--once", "--target", "name=").code == 2)
      #expect(try await desk.run("watch", "--interval", "0").code == 2)
      #expect(try await desk.run("watch", "--once", changes: ["DB_PORT": "1"]).code == 5)
    }
  }

  @Test func withoutATerminalBlocksFollowEachOtherUntilItIsStopped() async throws {
    try await withDesk { desk in
      let program = try await Program("spotctl", ["watch"], environment: desk.environment)
      try await eventually("three blocks") { program.lines.count { $0.hasPrefix("Spot Optimizer") } >= 3 }
      program.send(SIGTERM)
      #expect(try await program.waitForExit() == .exited(143))
      #expect(!program.output.contains("\u{1b}"))
    }
  }

  /// Runs the tool on a pseudo-terminal of 80 × 24, makes it 200 × 50, ends the tool and prints, a line each: how it ended, whether the terminal's modes
  /// are what they were, and all that was written, bytes as escapes.
  private static let driver = """
    import fcntl, os, pty, select, signal, struct, sys, termios, time
    path, end = sys.argv[1:3]
    master, slave = pty.openpty()
    def resize(columns, lines):
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack('HHHH', lines, columns, 0, 0))
    resize(80, 24)
    before = termios.tcgetattr(slave)
    child = os.fork()
    if child == 0:
        os.setsid()
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        for descriptor in range(3):
            os.dup2(slave, descriptor)
        os.execve(path, [path, 'watch', '--interval', '1h'], os.environ)
    output = b''
    def pump(until):
        global output
        deadline = time.monotonic() + 60
        while not until(output):
            if time.monotonic() > deadline:
                sys.exit('too late: %r' % output)
            if select.select([master], [], [], 0.05)[0]:
                output += os.read(master, 65536)
    pump(lambda text: b'EVENTS' in text and text.endswith(b'\\x1b[?2026l'))
    during = termios.tcgetattr(slave)
    resize(200, 50)
    pump(lambda text: text.count(b'\\x1b[?2026l') == 2)
    if end == 'key':
        os.write(master, b'typed\\x03')
    else:
        os.kill(child, signal.SIGTERM)
    ended = []
    def has_ended(text):
        if not ended:
            pid, status = os.waitpid(child, os.WNOHANG)
            if pid:
                ended.append(status)
        return bool(ended)
    pump(has_ended)
    pump(lambda text: text.endswith(b'\\x1b[?1049l'))
    print(os.waitstatus_to_exitcode(ended[0]))
    print(termios.tcgetattr(slave) == before, bool(during[3] & termios.ECHO))
    print(output.decode().encode('unicode_escape').decode())
    """

  @Test(arguments: ["key", "signal"]) func aTerminalIsDrawnAnewWhenItChangesAndGivenBackAsItWas(end: String) async throws {
    try await withDesk { desk in
      _ = try await desk.register("web-1")
      let program = try await Program.tool(
        "/usr/bin/python3", ["-c", Self.driver, try Program.path(of: "spotctl"), end],
        environment: desk.environment.merging(["TERM": "xterm"]) { $1 })
      #expect(try await program.waitForExit(timeout: .seconds(120)) == .exited(0), "\(program.output)")
      let lines = program.lines
      try #require(lines.count == 3, "\(program.output)")
      #expect(lines[0] == (end == "key" ? "130" : "143") && lines[1] == "True False")
      let output = lines[2]
      #expect(output.hasPrefix(#"\x1b[?1049h\x1b[?7l\x1b[?25l"#) && output.hasSuffix(#"\x1b[?25h\x1b[?7h\x1b[?1049l"#))
      #expect(!output.contains("typed"))
      let frames = output.split(separator: #"\x1b[?2026h\x1b[H"#).dropFirst().map { frame in
        frame.split(separator: #"\x1b[J"#)[0].split(separator: #"\x1b[K"#).map { $0.replacing(#"\r\n"#, with: "") }
      }
      #expect(frames.count == 2)
      #expect(frames.first?.first?.count == 80 && frames.last?.first?.count == 200)
      #expect(frames.allSatisfy { $0.contains { $0.hasSuffix("AGENTS      1 in all   online 1") } })
    }
  }
}
