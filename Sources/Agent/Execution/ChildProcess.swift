import CLinux
import Glibc

/// A program that was started, with its process group, until it was waited for.
struct ChildProcess: ~Copyable {
  /// How a program ended.
  enum Exit: Sendable, Equatable {
    case exited(Int32)
    case signalled(Int32)
    /// Somebody else was told.
    case unknown
  }

  private static let busyAttempts = 10
  /// In microseconds.
  private static let busyPause: UInt32 = 20_000

  /// The program's process id, which is also its group's and session's.
  let id: pid_t
  /// Readable when the program has ended.
  let exitDescriptor: Descriptor
  private(set) var exit: Exit?

  private init(_ id: pid_t, _ exitDescriptor: consuming Descriptor) {
    self.id = id
    self.exitDescriptor = exitDescriptor
  }

  /// Starts the executable. The descriptors become its 0, 1 and 2; it gets no others.
  ///
  /// Blocks until the program runs (the kernel lends it our memory until then), so never on a thread of Swift's pool.
  static func start(
    _ file: ExecutableFile, environment: [String: String], input: borrowing Descriptor, output: borrowing Descriptor,
    error: borrowing Descriptor
  ) throws(ExecutableProblem) -> ChildProcess {
    let folder = try file.folder.open()
    let name = try folder.resolve(file.name)

    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, input.number, STDIN_FILENO)
    posix_spawn_file_actions_adddup2(&actions, output.number, STDOUT_FILENO)
    posix_spawn_file_actions_adddup2(&actions, error.number, STDERR_FILENO)
    posix_spawn_file_actions_addfchdir_np(&actions, folder.descriptor.number)
    // Some libraries open descriptors and mark them afterwards: in between they would be inherited.
    posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1)

    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    // The agent blocks signals and ignores SIGPIPE; both would be inherited.
    var signals = sigset_t()
    sigemptyset(&signals)
    posix_spawnattr_setsigmask(&attributes, &signals)
    sigfillset(&signals)
    posix_spawnattr_setsigdefault(&attributes, &signals)
    // A session has no terminal, and is a process group too.
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | SPOT_SPAWN_NEW_SESSION))

    var id = pid_t()
    let variables = environment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    var code = ETXTBSY
    var attempts = 0
    // A file that was just put there is still open for writing for a moment: in whoever wrote it, or in what that one has forked meanwhile.
    while code == ETXTBSY && attempts < busyAttempts {
      if attempts > 0 { usleep(busyPause) }
      attempts += 1
      code = withCStrings([file.name]) { arguments in
        withCStrings(variables) { posix_spawn(&id, "./\(name)", &actions, &attributes, arguments, $0) }
      }
    }
    guard code == 0 else { throw problem(code, "\(file.folder.path)/\(name)") }
    do throws(ExecutableProblem) {
      // Not too late: the id stays the program's until it is waited for.
      return ChildProcess(id, try Descriptor(pidfd_open(id, 0), "A descriptor of the process"))
    } catch {
      kill(-id, SIGKILL)
      while waitpid(id, nil, 0) < 0 && errno == EINTR {}
      throw error
    }
  }

  /// Takes note of the program's end, if it has ended; from then on its id is no longer its own.
  mutating func wait() {
    guard exit == nil else { return }
    var status = Int32()
    let waited = waitpid(id, &status, WNOHANG)
    if waited < 0 && errno == ECHILD { exit = .unknown }
    guard waited == id else { return }
    // WIFEXITED and its like are macros that Swift does not see (wait(2)).
    exit = status & 0x7f == 0 ? .exited(status >> 8 & 0xff) : .signalled(status & 0x7f)
  }

  /// Whether something runs on in the group of a program that has ended. While it does, the kernel gives the group's number to nobody else.
  func groupIsAlive() -> Bool {
    // As the first process of a container we inherit orphans; only a parent removes the dead.
    while waitpid(-id, nil, WNOHANG) > 0 {}
    return (kill(-id, 0) == 0 || errno == EPERM) && ProcessTable.isRunning(group: id)
  }

  /// Sends a signal to everything in the group.
  func signalGroup(_ signal: Int32) {
    // Fails when the group has emptied by itself, or belongs to another user by now: neither can be helped from here.
    _ = kill(-id, signal)
  }

  private static func withCStrings<Result>(
    _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
  ) -> Result {
    let copies = strings.map { strdup($0) } + [nil]
    defer { for copy in copies { free(copy) } }
    return copies.withUnsafeBufferPointer { body($0.baseAddress!) }  // never empty: it ends with nil
  }

  private static func problem(_ code: Int32, _ path: String) -> ExecutableProblem {
    let (problem, remedy) =
      switch code {
      case ENOENT: ("names an interpreter in its first line that does not exist", "install it, or correct the line")
      case ENOEXEC: ("is neither a program for this machine nor a script", "begin a script with a line such as #!/bin/sh")
      case EACCES: ("may not be executed", "see whether its file system is mounted noexec, and its interpreter's mode")
      case ETXTBSY: ("is being written", "put a new version in its place by renaming it")
      case E2BIG: ("gets too large an environment", "send fewer or smaller parameters")
      default: ("", "")
      }
    if problem.isEmpty { return .system("'\(path)' cannot be started", code: code) }
    return ExecutableProblem(problem: "'\(path)' \(problem)" + ExecutableProblem.text(code), remedy: remedy)
  }
}
