import FleetProtocol
import Glibc
import ServiceRuntime

/// Writes what a command wrote: as it is into a file or a pipe, and harmless to a terminal, whose cursor a foreign program must not move.
struct CommandText: Sendable {
  private let isTerminal: [CommandOutput.Stream: Bool]

  /// Looks once at what standard output and standard error are.
  init() { isTerminal = [.standardOutput: isatty(STDOUT_FILENO) == 1, .standardError: isatty(STDERR_FILENO) == 1] }

  /// Writes to the tool's stream of the same name. Throws `OutputError` when it takes no more.
  func write(_ text: String, to stream: CommandOutput.Stream) throws(OutputError) {
    guard !text.isEmpty else { return }
    let text = isTerminal[stream] == true ? Self.harmless(text) : text
    guard !writeFully(text, to: stream == .standardOutput ? STDOUT_FILENO : STDERR_FILENO) else { return }
    throw OutputError(writing: "output", errno)
  }

  /// Line breaks and tabs stay, of a carriage return before a line break only that; every other control character is shown as `\u{…}`.
  static func harmless(_ text: String) -> String {
    var result = ""
    let scalars = Array(text.unicodeScalars)
    for (index, scalar) in scalars.enumerated() {
      switch scalar.value {
      case 0x09, 0x0a: result.unicodeScalars.append(scalar)
      case 0x0d where index + 1 < scalars.count && scalars[index + 1].value == 0x0a: continue
      default: result += printable(String(scalar))
      }
    }
    return result
  }
}
