import Glibc
import ServiceRuntime

/// A program that was started here, seen by its lines and its end. It dies with this process, however that ends.
final class ChildProcess: Sendable {
  /// A line of its output (both streams), and when it was read.
  struct Line: Sendable {
    let text: String
    let at: ContinuousClock.Instant
  }

  /// How it ended.
  struct Ending: Sendable {
    /// Its exit code; 128 and the number of the signal that ended it.
    let code: Int32
    /// Processor time, of the program and the system on its behalf, over its life.
    let processorTime: Duration
  }

  private struct State {
    var pid: pid_t?
    var ending: Ending?
    var waiter: CheckedContinuation<Ending, Never>?
  }

  /// Its lines, for one reader.
  let lines: AsyncStream<Line>
  private let continuation: AsyncStream<Line>.Continuation
  private let state = Lock(State())

  private init() { (lines, continuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(100_000)) }

  /// Starts `words[0]`, found by `PATH` when it is no path. `overrides` are added to this process's environment.
  static func start(_ words: [String], environment overrides: [String: String] = [:]) async throws -> ChildProcess {
    let child = ChildProcess()
    try await withCheckedThrowingContinuation { (started: CheckedContinuation<Void, any Error>) in child.begin(words, overrides, started) }
    return child
  }

  /// Outside any actor: what runs on the thread must not be written in an isolated context. The thread stays until the program has ended,
  /// because the kernel takes the end of the starting thread for the parent's.
  private func begin(_ words: [String], _ overrides: [String: String], _ started: CheckedContinuation<Void, any Error>) {
    startThread(name: "child") { [self] in
      let output: Int32
      do {
        let (pid, descriptor) = try spawn(words, overrides)
        output = descriptor
        state.withLock { $0.pid = pid }
        started.resume()
      } catch {
        started.resume(throwing: error)
        return
      }
      readLines(output)
      end()
    }
  }

  private func readLines(_ descriptor: Int32) {
    var buffer = [UInt8](repeating: 0, count: 65_536)
    var partial: [UInt8] = []
    while true {
      let count = read(descriptor, &buffer, buffer.count)
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { break }
      let now = ContinuousClock.now
      partial += buffer[..<count]
      while let end = partial.firstIndex(of: 0x0a) {
        continuation.yield(Line(text: String(decoding: partial[..<end], as: UTF8.self), at: now))
        partial.removeSubrange(...end)
      }
    }
    close(descriptor)
    continuation.finish()
  }

  private func end() {
    guard let pid = state.withLock({ $0.pid }) else { return }
    var status: Int32 = 0
    var usage = rusage()
    while wait4(pid, &status, 0, &usage) < 0 && errno == EINTR {}
    let signal = status & 0x7f
    let seconds = usage.ru_utime.tv_sec + usage.ru_stime.tv_sec
    let ending = Ending(
      code: signal == 0 ? (status >> 8) & 0xff : 128 + signal,
      processorTime: .seconds(seconds) + .microseconds(Int64(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec)))
    let waiter = state.withLock { state in
      state.pid = nil
      state.ending = ending
      defer { state.waiter = nil }
      return state.waiter
    }
    waiter?.resume(returning: ending)
  }

  /// Sends a signal, unless it has ended.
  func signal(_ number: Int32) {
    // Under the lock: the number of a process that was waited for may be another's.
    state.withLock { if let pid = $0.pid { kill(pid, number) } }
  }

  /// What it uses now; `nil` when it has ended.
  func usage() -> ProcessUsage? { state.withLock { $0.pid.flatMap { ProcessUsage(of: $0) } } }

  /// Asks it to end, ends it by force after ten seconds, and says how it ended. For one waiter.
  func stop() async -> Ending {
    signal(SIGTERM)
    return await withTaskGroup(of: Ending?.self) { group in
      group.addTask { await self.waitForEnd() }
      group.addTask {
        // Cancelled when it has ended by itself.
        do { try await Task.sleep(for: .seconds(10)) } catch { return nil }
        self.signal(SIGKILL)
        return nil
      }
      defer { group.cancelAll() }
      while let result = await group.next() {
        if let result { return result }
      }
      return await self.waitForEnd()
    }
  }

  /// Waits for its end. For one waiter.
  func waitForEnd() async -> Ending {
    await withCheckedContinuation { continuation in
      let ending = state.withLock { state in
        if state.ending == nil { state.waiter = continuation }
        return state.ending
      }
      if let ending { continuation.resume(returning: ending) }
    }
  }

  private func spawn(_ words: [String], _ overrides: [String: String]) throws -> (pid: pid_t, output: Int32) {
    var ends: [Int32] = [0, 0]
    // Sockets and not a pipe: closed at any other thread's exec from the moment they exist. (Glibc's module has no pipe2.)
    guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
      throw BenchError("socketpair: \(String(cString: strerror(errno)))")
    }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO)
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO)

    // Our threads block every signal and SIGPIPE is ignored here; a program must inherit neither.
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    var none = sigset_t()
    sigemptyset(&none)
    var every = sigset_t()
    sigfillset(&every)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setsigdefault(&attributes, &every)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

    var pid = pid_t()
    let code = withCStrings(["setpriv", "--pdeathsig", "KILL", "--"] + words) { words in
      withCStrings(Self.environment(overrides)) { variables in
        words[0].map { posix_spawnp(&pid, $0, &actions, &attributes, words, variables) } ?? EINVAL
      }
    }
    close(ends[1])
    guard code == 0 else {
      close(ends[0])
      throw BenchError("\(words[0]) could not be started: \(String(cString: strerror(code)))")
    }
    return (pid, ends[0])
  }

  private static func environment(_ overrides: [String: String]) -> [String] {
    var entries = overrides.map { "\($0.key)=\($0.value)" }
    var next = environ
    while let entry = next.pointee {
      let text = String(cString: entry)
      if overrides[String(text.prefix { $0 != "=" })] == nil { entries.append(text) }
      next += 1
    }
    return entries
  }
}

private func withCStrings<Result>(_ texts: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result) -> Result {
  let copies = texts.map { strdup($0) }
  defer { for copy in copies { free(copy) } }
  return body(copies + [nil])
}
