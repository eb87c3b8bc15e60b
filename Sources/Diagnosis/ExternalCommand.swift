import Glibc
import ServiceRuntime

/// A program of the system that is run to its end for what it writes: `rabbitmqctl`, `journalctl`.
public enum ExternalCommand {
  /// How one ended.
  public struct Outcome: Sendable, Equatable {
    /// Its exit code; 128 and the number of the signal that ended it; `nil` when it did not start.
    public let code: Int32?
    /// What it wrote to both streams, the end of it when that is long.
    public let text: String
  }

  /// Runs `words[0]`, found by `PATH`, with no input. It is killed after `limit`; of its output the last `mostBytes` are kept.
  ///
  /// No secret may be among the words: everybody on the machine can read them.
  public static func run(_ words: [String], limit: Duration, mostBytes: Int = 1 << 20) async -> Outcome {
    await withCheckedContinuation { continuation in start(words, limit, mostBytes, continuation) }
  }

  /// Outside any actor: what runs on the thread must not be written in an isolated context.
  private static func start(_ words: [String], _ limit: Duration, _ mostBytes: Int, _ continuation: CheckedContinuation<Outcome, Never>) {
    startThread(name: "command") { continuation.resume(returning: runToEnd(words, ContinuousClock.now + limit, mostBytes)) }
  }

  private static func runToEnd(_ words: [String], _ deadline: ContinuousClock.Instant, _ mostBytes: Int) -> Outcome {
    var ends: [Int32] = [0, 0]
    // Sockets and not a pipe: closed at any other thread's exec from the moment they exist. (Glibc's module has no pipe2.)
    guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else { return failure(words, errno) }
    defer { close(ends[0]) }
    let child: pid_t
    switch spawn(words, output: ends[1]) {
    case .success(let pid): child = pid
    case .failure(let error):
      close(ends[1])
      return failure(words, error.number)
    }
    close(ends[1])
    let (bytes, isLate) = read(ends[0], until: deadline, mostBytes)
    if isLate { kill(-child, SIGKILL) }
    var status: Int32 = 0
    while waitpid(child, &status, 0) < 0 && errno == EINTR {}
    // Without the colours that some write into a pipe, too.
    let text = String(decoding: bytes.suffix(mostBytes), as: UTF8.self).replacing(/\u{1b}\[[0-9;]*m/, with: "")
    let signal = status & 0x7f
    return Outcome(
      code: signal == 0 ? (status >> 8) & 0xff : 128 + signal, text: isLate ? text + "\nit took too long and was ended\n" : text)
  }

  private struct SystemError: Error { let number: Int32 }

  private static func failure(_ words: [String], _ number: Int32) -> Outcome {
    Outcome(code: nil, text: "\(words.first ?? ""): [Errno \(number)] \(String(cString: strerror(number)))\n")
  }

  /// In a process group of its own, so that what it starts ends with it.
  private static func spawn(_ words: [String], output: Int32) -> Result<pid_t, SystemError> {
    guard let program = words.first else { return .failure(SystemError(number: EINVAL)) }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO)
    posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO)
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
    posix_spawnattr_setpgroup(&attributes, 0)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))
    var arguments = words.map { strdup($0) } + [nil]
    defer { for argument in arguments { free(argument) } }
    var child = pid_t()
    let code = posix_spawnp(&child, program, &actions, &attributes, &arguments, environ)
    return code == 0 ? .success(child) : .failure(SystemError(number: code))
  }

  private static func read(_ descriptor: Int32, until deadline: ContinuousClock.Instant, _ mostBytes: Int) -> (bytes: [UInt8], isLate: Bool)
  {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      let left = ContinuousClock.now.duration(to: deadline)
      guard left > .zero else { return (bytes, true) }
      var waited = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
      guard poll(&waited, 1, Int32(clamping: left.milliseconds + 1)) > 0 else { continue }
      let count = Glibc.read(descriptor, &buffer, buffer.count)
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { return (bytes, false) }
      bytes += buffer[..<count]
      if bytes.count > 2 * mostBytes { bytes.removeFirst(bytes.count - mostBytes) }
    }
  }
}
