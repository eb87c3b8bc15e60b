import Foundation
import TestSupport
import Testing

/// Every link from one page of ours to another leads to a file and a heading that are there.
@Suite struct DocumentLinkTests {
  @Test func everyLinkOfThePagesLeadsSomewhere() throws {
    let pages = try paths()
    #expect(pages.contains("README.md") && pages.contains("docs/architecture.md"))
    var checked = 0
    for path in pages {
      for link in try page(path).links where !isElsewhere(link) {
        checked += 1
        if let problem = try problem(of: link, in: path) { Issue.record("\(path) has the link \(link): \(problem)") }
      }
    }
    #expect(checked > 50, "the links are found")
  }

  @Test func linksAndHeadingsAreFoundAsGitHubFindsThem() {
    let page = MarkdownPage(
      """
      # What `spotctl` does, and why
      ## What is *not* there (yet)
      ### Try_it: a/b — c
      ## Try [it](docs/it.md) out
      ## Twice
      ## Twice
      See [one](a.md), [`two`](b.md#x) and [three](#twice-1), but not `[four](c.md)`.
      ```
      # No heading
      [five](d.md)
      ```
      | a cell with [six](docs/e.md) | [seven](https://example.com/#x) |
      """)
    #expect(page.links == ["docs/it.md", "a.md", "b.md#x", "#twice-1", "docs/e.md", "https://example.com/#x"])
    #expect(
      page.anchors == ["what-spotctl-does-and-why", "what-is-not-there-yet", "try_it-ab--c", "try-it-out", "twice", "twice-1"])
  }

  @Test func aLinkThatLeadsNowhereIsNamed() throws {
    #expect(try problem(of: "architecture.md", in: "docs/doctor.md") == nil)
    #expect(try problem(of: "../README.md#try-it", in: "docs/doctor.md") == nil)
    #expect(try problem(of: "#doctor", in: "docs/doctor.md") == nil)
    #expect(try problem(of: "../broker/asyncapi.yaml", in: "docs/architecture.md") == nil)
    #expect(try problem(of: "architecture.md", in: "README.md") == "there is no architecture.md")
    #expect(try problem(of: "docs/doctor.md#nowhere", in: "README.md") == "docs/doctor.md has no heading with the anchor nowhere")
    #expect(try problem(of: "Doctor.md", in: "docs/doctor.md") == "there is no docs/Doctor.md")
  }

  // MARK: - The pages

  private func paths() throws -> [String] {
    var paths = ["README.md"]
    for folder in ["docs", "ops", "examples", "broker"] {
      let names = try FileManager.default.subpathsOfDirectory(atPath: "\(LocalServices.repository)/\(folder)")
      paths += names.filter { $0.hasSuffix(".md") }.sorted().map { "\(folder)/\($0)" }
    }
    return paths
  }

  private func page(_ path: String) throws -> MarkdownPage {
    MarkdownPage(try String(contentsOfFile: "\(LocalServices.repository)/\(path)", encoding: .utf8))
  }

  private func isElsewhere(_ link: String) -> Bool { link.contains("://") || link.hasPrefix("mailto:") }

  /// What is wrong with a link on the page at `path`; `nil` when it leads somewhere.
  private func problem(of link: String, in path: String) throws -> String? {
    let parts = link.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
    var target = path
    if !parts[0].isEmpty {
      var names = path.split(separator: "/").dropLast()
      for name in parts[0].split(separator: "/") where name != "." {
        if name != ".." {
          names.append(name)
        } else if names.popLast() == nil {
          return "it leads out of the repository"
        }
      }
      target = names.joined(separator: "/")
      guard FileManager.default.fileExists(atPath: "\(LocalServices.repository)/\(target)") else { return "there is no \(target)" }
    }
    guard parts.count == 2 else { return nil }
    guard target.hasSuffix(".md") else { return "only pages have headings" }
    return try page(target).anchors.contains(String(parts[1])) ? nil : "\(target) has no heading with the anchor \(parts[1])"
  }
}

/// The links and the headings of a page in GitHub's Markdown, outside of code.
private struct MarkdownPage {
  /// Where its links lead, as it is written, in order.
  private(set) var links: [String] = []
  /// The anchors of its headings, in order: the text in small letters without punctuation, spaces as dashes; a repeated one is numbered.
  private(set) var anchors: [String] = []

  init(_ text: String) {
    var isCode = false
    var seen: [String: Int] = [:]
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      if line.drop(while: { $0 == " " }).hasPrefix("```") {
        isCode.toggle()
        continue
      }
      guard !isCode else { continue }
      links += line.replacing(/`[^`]*`/, with: "").matches(of: /\[[^\]]*\]\(([^)\s]+)\)/).map { String($0.1) }
      guard let heading = line.wholeMatch(of: /#{1,6} +(.*?) *#*/)?.1 else { continue }
      let anchor = Self.anchor(of: heading.replacing(/\[([^\]]*)\]\([^)]*\)/) { $0.1 })
      anchors.append(seen[anchor].map { "\(anchor)-\($0)" } ?? anchor)
      seen[anchor, default: 0] += 1
    }
  }

  private static func anchor(of heading: some StringProtocol) -> String {
    String(
      heading.lowercased().compactMap { character in
        if character == " " { return "-" }
        return character.isLetter || character.isNumber || character == "-" || character == "_" ? character : nil
      })
  }
}
