import Glibc

/// Owns an open file descriptor and closes it once.
struct Descriptor: ~Copyable {
  /// Its number, above 2: what is handed to a child as 0, 1 or 2 must not be one of them already.
  let number: Int32

  /// Takes over a descriptor that was just opened. `what` names it in the error; the reason is read from `errno`.
  init(_ opened: Int32, _ what: String) throws(ExecutableProblem) {
    guard opened >= 0 else { throw ExecutableProblem.system("\(what) cannot be opened") }
    guard opened <= STDERR_FILENO else {
      number = opened
      return
    }
    // An agent that was started with standard input or output closed gets these numbers.
    let moved = fcntl(opened, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)
    let code = errno
    close(opened)
    guard moved >= 0 else { throw ExecutableProblem.system("\(what) cannot be opened", code: code) }
    number = moved
  }

  deinit { close(number) }
}
