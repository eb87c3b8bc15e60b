import CLinux
import Glibc

/// The signals that ask a program to end, as a stream.
///
/// `block()` must be called first thing in `main`, before any thread exists, so that every thread inherits the mask and the kernel
/// hands the signals only to the descriptor read here.
public enum Signals {
  private static func terminationSet() -> sigset_t {
    var set = sigset_t()
    sigemptyset(&set)
    sigaddset(&set, SIGTERM)
    sigaddset(&set, SIGINT)
    return set
  }

  /// Blocks SIGTERM and SIGINT for this thread and all it will start, and ignores SIGPIPE (a peer that went away is an error code, not a death).
  ///
  /// SIGCHLD gets its default back: whoever started us may have ignored it, which is inherited, and then nobody would learn how a child ended.
  public static func block() {
    var set = terminationSet()
    pthread_sigmask(SIG_BLOCK, &set, nil)
    ignoreBrokenPipes()
  }

  /// The rest of `block`, for a program that SIGTERM and SIGINT may end where it stands.
  public static func ignoreBrokenPipes() {
    signal(SIGPIPE, SIG_IGN)
    signal(SIGCHLD, SIG_DFL)
  }

  /// Blocks SIGHUP too, for a program that reopens its log at it; any other ends when its terminal is closed. Before any thread is started.
  public static func blockHangUp() {
    var set = hangUpSet()
    pthread_sigmask(SIG_BLOCK, &set, nil)
  }

  private static func hangUpSet() -> sigset_t {
    var set = sigset_t()
    sigemptyset(&set)
    sigaddset(&set, SIGHUP)
    return set
  }

  /// Every SIGTERM and SIGINT from now on, by number. A second one while the first is being served is delivered too.
  public static func termination() -> AsyncStream<Int32> { stream(of: terminationSet(), thread: "signals") }

  /// Every SIGHUP from now on, after `blockHangUp`.
  public static func hangUps() -> AsyncStream<Int32> { stream(of: hangUpSet(), thread: "hang-ups") }

  private static func stream(of signals: sigset_t, thread: String) -> AsyncStream<Int32> {
    AsyncStream(bufferingPolicy: .bufferingNewest(4)) { continuation in
      var set = signals
      let descriptor = signalfd(-1, &set, Int32(SFD_CLOEXEC))
      precondition(descriptor >= 0, "signalfd: \(String(cString: strerror(errno)))")
      startThread(name: thread) {
        var info = signalfd_siginfo()
        while true {
          let count = read(descriptor, &info, MemoryLayout<signalfd_siginfo>.size)
          if count < 0 && errno == EINTR { continue }
          guard count == MemoryLayout<signalfd_siginfo>.size else { break }
          if case .terminated = continuation.yield(Int32(info.ssi_signo)) { break }
        }
        close(descriptor)
      }
    }
  }
}
