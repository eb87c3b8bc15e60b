import Glibc
import ServiceRuntime

/// Why an executable is not run: what is wrong and what to do about it.
struct ExecutableProblem: Error, Equatable, CustomStringConvertible {
  /// What is wrong, with names.
  let problem: String
  /// What the reader can do about it.
  let remedy: String
  /// Whether there is nothing of the name, as against something that must not be run.
  var isAbsence = false

  /// One line for a result or a log.
  var description: String { "\(problem); \(remedy)" }

  /// The kernel refused something that has nothing to do with the executable.
  static func system(_ problem: String, code: Int32 = errno) -> ExecutableProblem {
    let remedy =
      switch code {
      case EMFILE, ENFILE: "raise the limit of open files, `ulimit -n`"
      case EAGAIN: "raise the limit of processes, `ulimit -u`"
      case ENOMEM: "free memory on the machine"
      default: "see what the machine's log says"
      }
    return ExecutableProblem(problem: problem + text(code), remedy: remedy)
  }

  /// The system's words for an error, in the form the guide has.
  static func text(_ code: Int32) -> String { " ([Errno \(code)] \(String(cString: strerror(code))))" }
}
