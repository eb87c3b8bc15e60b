import Foundation
import ServiceRuntime
import TestSupport

/// What became of each case of the table.
final class GuideRecord: Sendable {
  private enum Outcome { case passed, failed(String) }

  /// By the case's place in the table; what is missing was not tried.
  private let outcomes = Lock<[Int: Outcome]>([:])
  private let troubles = Lock<[String]>([])

  /// A scenario could not be played to its end.
  func failed(_ what: String, _ error: any Error) { troubles.withLock { $0.append("\(what): \(error)") } }

  /// `guide: 90 cases, 90 passed`.
  var summary: String {
    let passed = outcomes.withLock { outcomes in
      outcomes.values.count { if case .passed = $0 { true } else { false } }
    }
    return "guide: \(GuideTable.cases.count) cases, \(passed) passed"
  }

  /// Every case that did not pass, and every scenario that broke off.
  var failures: [String] {
    let outcomes = outcomes.withLock { $0 }
    let cases = GuideTable.cases.enumerated().compactMap { number, item -> String? in
      switch outcomes[number] {
      case .passed: nil
      case .failed(let reason): "\(item.scenario): \(item.words)\n    \(reason)"
      case nil: "\(item.scenario): \(item.words)\n    was not tried"
      }
    }
    return cases + troubles.withLock { $0 }
  }

  /// What failed once has failed.
  private func note(_ number: Int, _ problem: String?) {
    outcomes.withLock { outcomes in
      if case .failed = outcomes[number] { return }
      outcomes[number] = problem.map { .failed($0) } ?? .passed
    }
  }

  private func cases(_ scenario: GuideCase.Scenario) -> [(number: Int, item: GuideCase)] {
    GuideTable.cases.enumerated().filter { $0.element.scenario == scenario }.map { ($0.offset, $0.element) }
  }

  // MARK: - What programs write

  /// Waits until a program has written the lines of a scenario; an agent in the table's order, from its `after`th line on.
  func read(_ scenario: GuideCase.Scenario, _ writer: GuideCase.Writer, _ program: Program, after: Int = 0) async {
    var next = after
    // When one line does not come, the others are there or do not come either.
    var patience = Duration.seconds(90)
    for (number, item) in cases(scenario) {
      guard case .written(by: writer) = item.proof else { continue }
      do {
        let place = try await Self.place(of: item, in: program, from: writer == .agent ? next : after, patience)
        next = place + 1
        note(number, nil)
      } catch {
        patience = .zero
        note(number, "\(error). The \(writer) wrote:\n\(program.lines.dropFirst(after).suffix(60).joined(separator: "\n"))")
      }
    }
  }

  private static func place(of item: GuideCase, in program: Program, from first: Int, _ patience: Duration) async throws -> Int {
    let expression = try item.expression()
    var next = first
    return try await eventualValue("the line is written", timeout: patience) {
      // Status first: output that came before the end must not be missed.
      let ended = program.exitStatus
      let lines = program.lines
      while next < lines.count {
        let line = lines[next]
        if expression.firstMatch(in: line, range: NSRange(line.startIndex..., in: line)) != nil { return next }
        next += 1
      }
      if let ended { throw FleetFailure(description: "the program ended with \(ended) and did not write it") }
      return nil
    }
  }

  /// Compares how a program ended with the exit code of a scenario; waits for its end.
  func end(_ scenario: GuideCase.Scenario, _ program: Program) async throws {
    let status = try await program.waitForExit(timeout: .seconds(120))
    for (number, item) in cases(scenario) {
      guard case .exitCode(let code) = item.proof else { continue }
      note(number, status == .exited(code) ? nil : "it ended with \(status):\n\(program.output)")
    }
  }

  /// Compares what a program without a variable said with the defaults of the page.
  func show(_ scenario: GuideCase.Scenario, _ text: String) {
    for (number, item) in cases(scenario) {
      guard case .shown(let words) = item.proof else { continue }
      note(number, text.contains(words) ? nil : "'\(words)' is not in:\n\(text)")
    }
  }

  /// The variables of an env file of the page, with what stands for these places in a test.
  func variables(givenTo writer: GuideCase.Writer, _ replacing: [String: String]) -> [String: String] {
    var variables: [String: String] = [:]
    for (_, item) in cases(.checklist) {
      guard case .given(to: writer) = item.proof, let equals = item.words.firstIndex(of: "=") else { continue }
      let name = String(item.words[..<equals])
      variables[name] = replacing[name] ?? String(item.words[item.words.index(after: equals)...])
    }
    return variables
  }

  /// The programs work with the env files of the page.
  func worksWithWhatItWasGiven(_ writer: GuideCase.Writer) {
    for (number, item) in cases(.checklist) {
      if case .given(to: writer) = item.proof { note(number, nil) }
    }
  }

  // MARK: - What an operator types

  /// Types the commands of a scenario, one after the other.
  func type(_ scenario: GuideCase.Scenario, in shell: GuideShell) async throws {
    for (number, item) in cases(scenario) {
      switch item.proof {
      case .typed(let answer): note(number, try await shell.type(item.words, answer))
      case .running(let answer): note(number, try await shell.run(item.words, until: answer))
      default: break
      }
    }
  }
}
