import FleetProtocol
import ServiceRuntime

/// What a `doctor` found, in the order in which it looked.
public struct DiagnosisReport: Sendable {
  /// One that could not be looked at.
  public struct Unchecked: Sendable, Equatable {
    /// What would have been looked at.
    public let check: String
    /// What stood in the way.
    public let reason: String
  }

  /// What was looked at.
  public private(set) var findings: [Finding] = []
  /// What could not be looked at, because something before it failed.
  public private(set) var unchecked: [Unchecked] = []
  private let tell: @Sendable (Finding) -> Void

  /// An empty report. `tell` gets each finding when it is made, so that a person who waits for a time-out sees what is already known.
  public init(tell: @escaping @Sendable (Finding) -> Void = { _ in }) { self.tell = tell }

  /// Adds what was found.
  public mutating func add(_ finding: Finding) {
    findings.append(finding)
    tell(finding)
  }

  /// Adds what cannot be looked at before something else is mended.
  public mutating func skip(_ check: String, because reason: String) { unchecked.append(Unchecked(check: check, reason: reason)) }

  /// How many findings have a verdict.
  public func count(_ verdict: Finding.Verdict) -> Int { findings.count { $0.verdict == verdict } }

  /// Whether nothing failed. Warnings do not count.
  public var isHealthy: Bool { count(.fail) == 0 }
}

/// How a report reads.
extension DiagnosisReport {
  private static let checkWidth = 24

  /// One finding: a line, and one below it with the remedy.
  ///
  ///     fail  broker login             refused: 403 ACCESS_REFUSED
  ///           → spotctl keys create
  public static func text(_ finding: Finding) -> String {
    let name = finding.check.padded(to: checkWidth)
    let line = "\(finding.verdict.rawValue)  \(name) \(printable(finding.measured))\n"
    return line + (finding.remedy.map { "      → \(printable($0))\n" } ?? "")
  }

  /// What comes after the last finding: what could not be looked at, and the sum.
  public var summary: String {
    let skipped = unchecked.map { "      \($0.check.padded(to: Self.checkWidth)) not looked at: \(printable($0.reason))\n" }.joined()
    let sum = "\(count(.pass)) passed, \(count(.warn)) warned, \(count(.fail)) failed"
    return skipped + sum + (unchecked.isEmpty ? "" : ", \(unchecked.count) not looked at") + "\n"
  }

  /// Everything as text.
  public var text: String { findings.map(Self.text).joined() + summary }

  /// `{"healthy": …, "findings": [{"check", "verdict", "measured", "remedy"}], "not_checked": [{"check", "because"}]}`, the interface for programs.
  public var json: JSONValue {
    [
      "healthy": .bool(isHealthy),
      "findings": .array(
        findings.map {
          [
            "check": .string($0.check), "verdict": .string($0.verdict.rawValue), "measured": .string($0.measured),
            "remedy": $0.remedy.map(JSONValue.string) ?? .null,
          ]
        }),
      "not_checked": .array(unchecked.map { ["check": .string($0.check), "because": .string($0.reason)] }),
    ]
  }
}

extension String {
  fileprivate func padded(to width: Int) -> String { self + String(repeating: " ", count: Swift.max(0, width - count)) }
}
