import Foundation
import Server
import TestSupport
import Testing

@testable import spotctl

/// docs/events.md and docs/reactions.md say what there is.
@Suite struct EventDocumentTests {
  private func document(_ name: String) throws -> String {
    try String(contentsOfFile: "\(LocalServices.repository)/docs/\(name)", encoding: .utf8)
  }

  /// The first column of the rows of tables, where it is code.
  private func rows(_ text: String) -> [(name: String, line: String)] {
    text.split(separator: "\n").compactMap { line in
      line.firstMatch(of: /^\| `([^`]+)` \|/).map { (String($0.1), String(line)) }
    }
  }

  @Test func everyTypeIsListedOnceAndNoOther() throws {
    let section = try document("events.md").components(separatedBy: "\n## Types")[1].components(separatedBy: "\n## ")[0]
    #expect(rows(section).map(\.name).sorted() == EventType.allCases.map(\.rawValue).sorted())
  }

  @Test func thePageForAuthorsOfOtherProgramsHasTheSameTypes() throws {
    let page = try String(contentsOfFile: "\(LocalServices.repository)/broker/asyncapi.yaml", encoding: .utf8)
    let words = try #require(page.firstMatch(of: /"cloudEvents:type":\n\s+enum:\n((?:\s+- [a-z_.]+\n)+)/)?.1)
    let types = words.split(separator: "\n").map { $0.drop { $0 == " " || $0 == "-" } }
    #expect(types.map(String.init).sorted() == EventType.allCases.map(\.rawValue).sorted())
  }

  @Test func everyEventInTheSourcesIsOneOfTheTypes() throws {
    let root = "\(LocalServices.repository)/Sources"
    let known = Set(EventType.allCases.map(\.rawValue))
    var found: Set<String> = []
    for path in try FileManager.default.subpathsOfDirectory(atPath: root) where path.hasPrefix("Server/") && path.hasSuffix(".swift") {
      let text = try String(contentsOfFile: "\(root)/\(path)", encoding: .utf8)
      for match in text.matches(of: /(?:FleetEvent|event|init)\(\s*"([a-z]+\.[a-z_]+)"/) { found.insert(String(match.1)) }
    }
    #expect(found.contains("command.pending"), "the sources are searched for what is there")
    #expect(found.subtracting(known).isEmpty, "\(found.subtracting(known))")
  }

  @Test func everyPlaceholderAndEveryOptionOfReactionsIsListed() throws {
    let text = try document("reactions.md")
    let section = text.components(separatedBy: "\n## Placeholders")[1].components(separatedBy: "\n## ")[0]
    #expect(rows(section).map(\.name).sorted() == Placeholder.allCases.map { "{\($0.rawValue)}" }.sorted())
    let spec = try #require(CommandSpec.all.first { $0.path == ["reactions", "add"] })
    for option in spec.options where option.name != "--json" { #expect(text.contains("| `\(option.name) "), "\(option.name)") }
  }
}
