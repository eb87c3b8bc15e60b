import Glibc

/// The file of `SPOT_OPTIMIZER_LOG_FILE`: every line goes to it and to standard error.
///
/// From any thread. Rotation is logrotate's: it moves the file away, and `reopen` goes on in a new one. No line is lost between the two, for
/// until then they go to the moved file.
public final class LogFile: Sendable {
  private struct State {
    var descriptor: Int32
    /// Whether the last line could not be written, so that a full disk is said once and not with each line.
    var isFailing = false
  }

  private let path: String
  private let state: Lock<State>

  /// Opens the file for appending, mode 640 when it is made.
  public init(_ path: String) throws(ConfigurationError) {
    self.path = path
    let descriptor = Self.open(path)
    guard descriptor >= 0 else {
      throw ConfigurationError(
        name: "SPOT_OPTIMIZER_LOG_FILE", problem: "is '\(printable(path))', which cannot be written to (\(Self.reason()))",
        remedy: "name a file in a folder that exists and that the program may write, or unset it to log to standard error only")
    }
    state = Lock(State(descriptor: descriptor))
  }

  deinit { _ = state.withLock { close($0.descriptor) } }

  /// Writes a finished line to the file and to standard error. What the file does not take is at least there, with the reason.
  func write(_ line: String) {
    writeFully(line, to: STDERR_FILENO)
    state.withLock { state in
      let isWritten = writeFully(line, to: state.descriptor)
      if !isWritten, !state.isFailing {
        writeFully(
          "The log file '\(printable(path))' cannot be written to (\(Self.reason())); lines go to standard error only\n", to: STDERR_FILENO)
      }
      state.isFailing = !isWritten
    }
  }

  /// Goes on in the file that now has the name, made anew if need be. When it cannot be opened the former one is kept, and standard error says so.
  public func reopen() {
    let descriptor = Self.open(path)
    guard descriptor >= 0 else {
      writeFully(
        "The log file '\(printable(path))' cannot be opened anew (\(Self.reason())); the former one is written on\n", to: STDERR_FILENO)
      return
    }
    let former = state.withLock { state in
      defer { state = State(descriptor: descriptor) }
      return state.descriptor
    }
    close(former)
  }

  /// Reopens at every SIGHUP until the task is cancelled. `Signals.blockHangUp` must have been called before any thread was started.
  public func reopenAtHangUps() async {
    for await _ in Signals.hangUps() { reopen() }
  }

  private static func open(_ path: String) -> Int32 { Glibc.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o640) }
  private static func reason() -> String { "[Errno \(errno)] \(String(cString: strerror(errno)))" }
}
