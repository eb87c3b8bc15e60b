import ServiceRuntime

/// What one look at one thing gave: a line of a `doctor`.
public struct Finding: Sendable, Equatable {
  /// Whether somebody has to do something.
  public enum Verdict: String, Sendable, CaseIterable {
    /// As it should be.
    case pass
    /// It works, and a person should look.
    case warn
    /// It does not work.
    case fail
  }

  /// What was looked at, in a few words that never change: `broker login`.
  public let check: String
  /// What it is like.
  public let verdict: Verdict
  /// What was measured, in one sentence without a secret.
  public let measured: String
  /// What to do, as a command that can be typed where there is one; `nil` where nothing is to do.
  public let remedy: String?

  private init(_ check: String, _ verdict: Verdict, _ measured: String, _ remedy: String?) {
    self.check = check
    self.verdict = verdict
    self.measured = measured
    self.remedy = remedy
  }

  /// It is as it should be.
  public static func pass(_ check: String, _ measured: String) -> Finding { Finding(check, .pass, measured, nil) }
  /// It works, and `remedy` would make it better.
  public static func warn(_ check: String, _ measured: String, remedy: String) -> Finding { Finding(check, .warn, measured, remedy) }
  /// It does not work, and `remedy` mends it.
  public static func fail(_ check: String, _ measured: String, remedy: String) -> Finding { Finding(check, .fail, measured, remedy) }
}

extension Duration {
  /// `3 ms`, for a finding.
  public var inMilliseconds: String { "\(milliseconds) ms" }
}

/// `1 message`, `2 messages`.
public func counted(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }
