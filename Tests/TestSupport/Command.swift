import Glibc
import ServiceRuntime

/// How a process ended.
public enum ExitStatus: Sendable, Equatable, CustomStringConvertible {
  /// It returned this code.
  case exited(Int32)
  /// This signal ended it.
  case signalled(Int32)

  init(waitStatus status: Int32) {
    let signal = status & 0x7f
    self = signal == 0 ? .exited((status >> 8) & 0xff) : .signalled(signal)
  }

  /// `exit code 1` or `signal 9`.
  public var description: String {
    switch self {
    case .exited(let code): "exit code \(code)"
    case .signalled(let signal): "signal \(signal)"
    }
  }
}

/// A command that could not be started or that failed.
public struct CommandFailure: Error, CustomStringConvertible {
  /// The command, how it ended and what it said.
  public let description: String
}

/// Starts a process whose standard output and error are one stream; returns its id and the end to read it from.
///
/// The kernel kills the process when the calling *thread* ends, so that a test that crashes leaves nothing: the caller stays on
/// its thread until the process has ended.
func spawn(_ arguments: [String], environment: [String: String]) throws(CommandFailure) -> (pid: pid_t, output: Int32) {
  var ends: [Int32] = [0, 0]
  // A pair of sockets instead of a pipe: closed at any other thread's exec from the moment it exists. (Glibc's module has no pipe2.)
  guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
    throw CommandFailure(description: "socketpair: \(String(cString: strerror(errno)))")
  }

  var actions = posix_spawn_file_actions_t()
  posix_spawn_file_actions_init(&actions)
  defer { posix_spawn_file_actions_destroy(&actions) }
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO)
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO)

  // Threads of `startThread` block every signal, and SIGPIPE may be ignored here: a program must inherit neither.
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

  let words = ["setpriv", "--pdeathsig", "KILL", "--"] + arguments
  var pid = pid_t()
  let code = withCStrings(words) { words in
    withCStrings(environment.map { "\($0.key)=\($0.value)" }) { variables in
      posix_spawnp(&pid, words[0]!, &actions, &attributes, words, variables)
    }
  }
  close(ends[1])
  guard code == 0 else {
    close(ends[0])
    throw CommandFailure(description: "\(arguments[0]) could not be started: \(String(cString: strerror(code)))")
  }
  return (pid, ends[0])
}

/// Waits for a child to end.
func reap(_ pid: pid_t) -> ExitStatus {
  var status: Int32 = 0
  while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
  return ExitStatus(waitStatus: status)
}

/// Reads until the other end is closed, handing on what comes.
func drain(_ descriptor: Int32, _ receive: (ArraySlice<UInt8>) -> Void) {
  var buffer = [UInt8](repeating: 0, count: 65536)
  while true {
    let count = read(descriptor, &buffer, buffer.count)
    if count < 0 && errno == EINTR { continue }
    if count <= 0 { break }
    receive(buffer[0..<count])
  }
  close(descriptor)
}

/// Runs a command to its end and returns what it wrote. Blocks the calling thread.
///
/// - Throws: `CommandFailure` with the command's own words when its exit code is not 0.
@discardableResult
func runCommand(_ arguments: [String], environment: [String: String] = currentEnvironment()) throws(CommandFailure) -> String {
  let (pid, descriptor) = try spawn(arguments, environment: environment)
  var bytes: [UInt8] = []
  drain(descriptor) { bytes += $0 }
  let status = reap(pid)
  let output = String(decoding: bytes, as: UTF8.self)
  guard status == .exited(0) else {
    throw CommandFailure(description: "\(arguments.joined(separator: " ")): \(status)\n\(output)")
  }
  return output
}

/// Runs a blocking body on a thread of its own, off Swift's cooperative pool.
func onOwnThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
  try await withCheckedThrowingContinuation { continuation in
    startThread(name: "test-command") { continuation.resume(with: Result(catching: body)) }
  }
}

/// The environment of the test process.
func currentEnvironment() -> [String: String] {
  var values: [String: String] = [:]
  var next = environ
  while let entry = next.pointee {
    let text = String(cString: entry)
    if let equals = text.firstIndex(of: "=") { values[String(text[..<equals])] = String(text[text.index(after: equals)...]) }
    next += 1
  }
  return values
}

private func withCStrings<Result>(_ texts: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result) -> Result {
  let copies = texts.map { strdup($0) }
  defer { for copy in copies { free(copy) } }
  return body(copies + [nil])
}
