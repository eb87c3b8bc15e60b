import ServiceRuntime

/// The guide's lines for a failure (`docs`, "Agent Connection Troubleshooting Guide"): operators search for these words, so they are made here
/// and nowhere else.
struct ErrorReport: Sendable {
  /// `SPOT_OPTIMIZER_SERVER_URL`, for the second line of a connection error.
  let serverURL: String
  /// The token as it may be shown.
  let tokenPreview: String

  /// A line and its level.
  struct Line: Sendable, Equatable {
    let level: LogLevel
    let text: String
  }

  /// Lines for a failure: the `number`th in a row (from 1), after which the next attempt comes in `delay`; `nil` when there will be none.
  func lines(_ operation: Operation, _ failure: Failure, number: Int, retryingIn delay: Duration?) -> [Line] {
    switch failure {
    case .timeout(let detail): repeated("Request timeout", operation, detail, number, delay, advice: [])
    case .connection(let detail):
      repeated(
        "Connection error", operation, detail, number, delay,
        advice: ["Server URL configured as: \(serverURL)", "Verify server is running and CLIENT_TOKEN is valid"])
    case .refused(let transport, let code, let response): refused(transport, operation, code, response)
    }
  }

  private func repeated(
    _ what: String, _ operation: Operation, _ detail: String, _ number: Int, _ delay: Duration?, advice: [String]
  ) -> [Line] {
    let attempts = Backoff.attemptsBeforeReport
    if number < attempts, let delay {
      return [Line(level: .warning, text: "\(what) (attempt \(number)/\(attempts)): \(operation) - retrying in \(Self.text(delay))")]
    }
    if number > attempts, let delay {
      return [Line(level: .warning, text: "\(what) (attempt \(number)): \(operation) - \(detail) - retrying in \(Self.text(delay))")]
    }
    return ["\(what) after \(number) attempts: \(operation) - \(detail)"].map { Line(level: .error, text: $0) }
      + advice.map { Line(level: .error, text: $0) }
  }

  private func refused(_ transport: Failure.Transport, _ operation: Operation, _ code: Int, _ response: String) -> [Line] {
    var texts = ["\(transport.rawValue) error \(code): \(operation)", "Response: \(response)"]
    if code == 401 || code == 403 { texts.append("Authentication failed - check CLIENT_TOKEN configuration") }
    // A client that is switched off (403) has a good token: the guide shows it for 401 only.
    if code == 401 { texts.append("Current token: \(tokenPreview)") }
    return texts.map { Line(level: .error, text: $0) }
  }

  /// `1s`, `2s`, and `13.4s` where chance chose.
  static func text(_ delay: Duration) -> String {
    let tenths = (delay.milliseconds + 50) / 100
    return tenths % 10 == 0 ? "\(tenths / 10)s" : "\(tenths / 10).\(tenths % 10)s"
  }
}

extension Logger {
  /// Writes a report's lines.
  func report(_ lines: [ErrorReport.Line]) {
    for line in lines {
      switch line.level {
      case .debug: debug(line.text)
      case .info: info(line.text)
      case .warning: warning(line.text)
      case .error: error(line.text)
      }
    }
  }
}
