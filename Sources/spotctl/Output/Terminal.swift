import FleetProtocol
import Glibc
import ServiceRuntime

/// Where results and remarks go.
struct Terminal: Sendable {
  /// Whether results are JSON (`--json`).
  let isJSON: Bool

  /// Prints a list.
  func show(_ records: [Record], empty: String) throws {
    try print(isJSON ? try Rendering.json(records) : Rendering.table(records, empty: empty))
  }

  /// Prints one row.
  func show(_ record: Record) throws {
    try print(isJSON ? try Rendering.json([record]) : Rendering.detail(record))
  }

  /// Prints text as it is.
  func write(_ text: String) throws { try print(text) }

  /// Prints one line of a result that grows.
  func writeLine(_ text: String) throws { try print(text + "\n") }

  /// A result that did not arrive whole is a failure: a full disk must not look like success.
  func print(_ text: String) throws {
    guard !writeFully(text, to: STDOUT_FILENO) else { return }
    throw OutputError(writing: "result", errno)
  }

  /// Says something to the person that is no result, on standard error, where it disturbs no pipe.
  func remark(_ text: String) { writeFully("spotctl: \(text)\n", to: STDERR_FILENO) }
}

/// Standard output took no more.
struct OutputError: Error, CustomStringConvertible {
  /// What the tool ends with when nobody reads on: as a shell says it of a program that SIGPIPE killed.
  static let nobodyReads = 128 + SIGPIPE

  let description: String
  /// Whether it is a pipe whose reader has gone, which is no failure: `| head` has what it wants.
  var isUnread = false

  init(description: String) { self.description = description }

  /// A write of `what` that failed with `number`.
  init(writing what: String, _ number: Int32) {
    description = "the \(what) could not be written: [Errno \(number)] \(String(cString: strerror(number)))"
    isUnread = number == EPIPE
  }
}
