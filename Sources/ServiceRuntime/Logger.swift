import Glibc

/// Writes log lines, each with one `write`: the guide's `2025-11-25 05:26:47 ERROR - …`, or JSON (`LogFormat`).
///
/// From any thread. A line break or control character inside a message is shown as an escape, so that what comes from the wire
/// cannot forge a line. Callers never pass a secret: tokens go through `tokenPreview`.
public struct Logger: Sendable {
  /// The least severe level that is written.
  public let level: LogLevel
  private let format: LogFormat
  private let program: String
  private let write: @Sendable (String) -> Void

  /// A logger to standard error, and to `file` if there is one. `program` names who speaks, in JSON.
  public init(level: LogLevel, format: LogFormat = .text, program: String = "", file: LogFile? = nil) {
    self.init(level: level, format: format, program: program) { line in
      if let file { file.write(line) } else { writeFully(line, to: STDERR_FILENO) }
    }
  }

  /// A logger whose finished lines (with their line break) go to `write`.
  public init(level: LogLevel, format: LogFormat = .text, program: String = "", write: @escaping @Sendable (String) -> Void) {
    self.level = level
    self.format = format
    self.program = program
    self.write = write
  }

  /// For whoever wants to see every step: `LOG_LEVEL=DEBUG`.
  public func debug(_ message: @autoclosure () -> String) { log(.debug, message) }
  /// What an operator expects to see of a healthy program.
  public func info(_ message: @autoclosure () -> String) { log(.info, message) }
  /// Something is not as it should be, and the program goes on by itself.
  public func warning(_ message: @autoclosure () -> String) { log(.warning, message) }
  /// Something failed and a person should look.
  public func error(_ message: @autoclosure () -> String) { log(.error, message) }

  /// Writes lines as they are, without time and level: the start-up banner of the guide. In JSON they are lines like any other, without the rules.
  public func banner(_ lines: [String]) {
    switch format {
    case .text: write(lines.map { $0 + "\n" }.joined())
    case .json: for line in lines where !line.allSatisfy({ $0 == "=" }) { info(line) }
    }
  }

  private func log(_ level: LogLevel, _ message: () -> String) {
    guard level >= self.level else { return }
    write(format.line(.now(), level, program, message()))
  }
}

/// Text from outside made fit for one line: control characters as escapes, everything else as it is.
public func printable(_ text: String) -> String {
  guard
    text.unicodeScalars.contains(where: { $0.value < 0x20 || (0x7f...0x9f).contains($0.value) || $0.value == 0x2028 || $0.value == 0x2029 })
  else { return text }
  var result = ""
  for scalar in text.unicodeScalars {
    switch scalar.value {
    case 0x0a: result += "\\n"
    case 0x0d: result += "\\r"
    case 0x09: result += "\\t"
    case 0..<0x20, 0x7f...0x9f, 0x2028, 0x2029: result += "\\u{\(String(scalar.value, radix: 16))}"
    default: result.unicodeScalars.append(scalar)
    }
  }
  return result
}

/// Writes all of `text` to a descriptor, going on after partial writes and interruptions. `false` when it could not, with the reason in `errno`.
@discardableResult
public func writeFully(_ text: String, to descriptor: Int32) -> Bool {
  var text = text
  return text.withUTF8 { bytes in
    var offset = 0
    while offset < bytes.count {
      let written = Glibc.write(descriptor, bytes.baseAddress! + offset, bytes.count - offset)
      if written < 0 {
        if errno == EINTR { continue }
        return false
      }
      offset += written
    }
    return true
  }
}
