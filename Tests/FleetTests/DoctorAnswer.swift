import Foundation
import TestSupport
import Testing

/// What a doctor, of server or agent, answered with `--json`.
struct DoctorAnswer: CustomStringConvertible {
  struct Report: Decodable {
    struct Finding: Decodable {
      let check: String
      let verdict: String
      let measured: String
      let remedy: String?
    }
    struct Unchecked: Decodable {
      let check: String
      let because: String
    }
    let healthy: Bool
    let findings: [Finding]
    let not_checked: [Unchecked]
  }

  let code: Int32
  let text: String
  let report: Report

  /// Reads what a program that ended with `code` has printed.
  init(code: Int32, _ program: Program) throws {
    let json = program.lines.first { $0.hasPrefix("{") } ?? ""
    report = try JSONDecoder().decode(Report.self, from: Data(json.utf8))
    #expect(report.healthy == (code == 0))
    self.code = code
    text = program.output
  }

  var failed: [String] { report.findings.filter { $0.verdict == "fail" }.map(\.check) }
  var unchecked: [String] { report.not_checked.map(\.check) }
  func verdict(_ check: String) -> String? { finding(check)?.verdict }
  func measured(_ check: String) -> String? { finding(check)?.measured }
  func remedy(_ check: String) -> String? { finding(check)?.remedy }
  var description: String { "exit code \(code): \(text)" }

  /// The worst of that name.
  private func finding(_ check: String) -> Report.Finding? {
    let all = report.findings.filter { $0.check == check }
    return all.first { $0.verdict != "pass" } ?? all.first
  }
}
