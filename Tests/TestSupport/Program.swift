import Glibc
import ServiceRuntime

/// One of this package's executables, started as a user starts it: with an environment and arguments, seen by its output and its end.
///
/// Standard output and standard error arrive together, line by line. A program that still runs when the test process ends, in
/// whatever way, is killed by the kernel.
public final class Program: Sendable {
  private struct State {
    var lines: [String] = []
    var partial: [UInt8] = []
    var pid: pid_t?
    var failure: CommandFailure?
    var status: ExitStatus?
  }

  private let state = Lock(State())
  private let name: String

  /// Starts `executable` (a product's name, `spot-optimizer-agent`) from the folder the tests were built into.
  ///
  /// - Parameter environment: all the program sees beside `PATH`, `HOME` and `TZ`; nothing else of the test's own environment reaches it.
  /// - Throws: `CommandFailure` when it is not built or does not start.
  public convenience init(_ executable: String, _ arguments: [String] = [], environment: [String: String] = [:]) async throws {
    try await self.init(path: Self.path(of: executable), arguments, environment: environment)
  }

  /// Starts any other program, by its path: a script of the repository, say.
  public static func tool(_ path: String, _ arguments: [String] = [], environment: [String: String] = [:]) async throws -> Program {
    try await Program(path: path, arguments, environment: environment)
  }

  private init(path: String, _ arguments: [String], environment: [String: String]) async throws {
    name = path.split(separator: "/").last.map(String.init) ?? path
    let own = currentEnvironment().filter { ["PATH", "HOME", "TZ"].contains($0.key) }
    let variables = own.merging(environment) { $1 }
    let state = state
    startThread(name: "test-program") {
      let started: (pid: pid_t, output: Int32)
      do throws(CommandFailure) {
        started = try spawn([path] + arguments, environment: variables)
      } catch {
        state.withLock { $0.failure = error }
        return
      }
      state.withLock { $0.pid = started.pid }
      drain(started.output) { bytes in state.withLock { Self.append(bytes, to: &$0) } }
      // The output's end is not yet the program's: a child of it may have been the last to hold it open.
      let status = reap(started.pid)
      state.withLock { state in
        if !state.partial.isEmpty { Self.append([0x0a], to: &state) }
        state.status = status
      }
    }
    _ = try await eventualValue("\(name) is started") {
      try state.withLock { state in
        if let failure = state.failure { throw failure }
        return state.pid
      }
    }
  }

  /// Where a product of this package lies: beside the test bundle.
  public static func path(of executable: String) throws -> String {
    var buffer = [CChar](repeating: 0, count: 4096)
    let count = readlink("/proc/self/exe", &buffer, buffer.count)
    let own = String(decoding: buffer[0..<max(0, count)].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    let path = own[..<(own.lastIndex(of: "/") ?? own.startIndex)] + "/" + executable
    guard access(String(path), X_OK) == 0 else {
      throw CommandFailure(description: "\(path) is not there: build it first with `swift build --product \(executable)`")
    }
    return String(path)
  }

  private static func append(_ bytes: ArraySlice<UInt8>, to state: inout State) {
    state.partial += bytes
    while let end = state.partial.firstIndex(of: 0x0a) {
      state.lines.append(String(decoding: state.partial[..<end], as: UTF8.self))
      state.partial.removeFirst(end + 1)
    }
  }

  /// Its process id. After the end the number means nothing.
  public var pid: Int32 { state.withLock { $0.pid ?? 0 } }

  /// Every whole line so far.
  public var lines: [String] { state.withLock { $0.lines } }

  /// All of it as one text, for a test's failure message.
  public var output: String { lines.joined(separator: "\n") }

  /// How it ended, or `nil` while it runs.
  public var exitStatus: ExitStatus? { state.withLock { $0.status } }

  /// The first line, from the `after`th on, that contains `text`; waits for it.
  ///
  /// - Throws: `TimedOut` with all the output when it does not come, at once when the program has ended without it.
  @discardableResult
  public func waitForLine(containing text: String, after: Int = 0, timeout: Duration = .seconds(60)) async throws -> String {
    let name = name
    return try await describingFailure {
      try await eventualValue("\(name) writes '\(text)'", timeout: timeout) {
        // Status first: output that came before the end must not be missed.
        let ended = exitStatus
        if let line = lines.dropFirst(after).first(where: { $0.contains(text) }) { return line }
        if let ended { throw TimedOut(description: "\(name) ended with \(ended) and did not write '\(text)'") }
        return nil
      }
    }
  }

  /// Waits until it has ended and all of its output is here.
  @discardableResult
  public func waitForExit(timeout: Duration = .seconds(60)) async throws -> ExitStatus {
    try await describingFailure { try await eventualValue("\(name) ends", timeout: timeout) { exitStatus } }
  }

  /// Sends a signal; nothing happens when it has ended.
  public func send(_ signal: Int32) {
    state.withLock { state in
      if let pid = state.pid, state.status == nil { kill(pid, signal) }
    }
  }

  /// Kills it when it still runs, and waits for its end.
  public func stop() async throws {
    send(SIGKILL)
    try await waitForExit()
  }

  private func describingFailure<Value>(_ body: () async throws -> Value) async throws -> Value {
    do {
      return try await body()
    } catch let error as TimedOut {
      throw TimedOut(description: "\(error.description). Its output:\n\(output)")
    }
  }
}

/// Runs a program for as long as `body` runs, and kills it afterwards whatever happened.
public func withProgram<Value>(
  _ executable: String, _ arguments: [String] = [], environment: [String: String] = [:],
  isolation: isolated (any Actor)? = #isolation, _ body: (Program) async throws -> Value
) async throws -> Value {
  let program = try await Program(executable, arguments, environment: environment)
  do {
    let value = try await body(program)
    try await program.stop()
    return value
  } catch {
    try await program.stop()
    throw error
  }
}
