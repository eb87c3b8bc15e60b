/// How much a program tells, least first. The names are those of the guide's log lines.
public enum LogLevel: String, Sendable, CaseIterable, Comparable {
  case debug = "DEBUG"
  case info = "INFO"
  case warning = "WARNING"
  case error = "ERROR"

  private var rank: Int {
    switch self {
    case .debug: 0
    case .info: 1
    case .warning: 2
    case .error: 3
    }
  }

  /// Orders by severity.
  public static func < (left: LogLevel, right: LogLevel) -> Bool { left.rank < right.rank }
}
