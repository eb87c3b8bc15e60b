import Foundation
import TestSupport

/// What the pages of trouble in `docs` tell an operator to type, to set and to look for.
struct GuidePage {
  /// Every line of the fenced blocks (comments of shell blocks left out, an SQL block as one), and of the tables the defaults, the exit codes and what is to
  /// be typed, in the page's order.
  let words: [String]

  /// `AGENT_CONNECTION` or `TOKEN_AUTHENTICATION`.
  init(_ subject: String) throws {
    self.init(text: try String(contentsOfFile: "\(LocalServices.repository)/docs/\(subject)_TROUBLESHOOTING.md", encoding: .utf8))
  }

  init(text: String) {
    var words: [String] = []
    var block: (kind: String, indent: Int, lines: [String])?
    var heading = ""
    for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
      let bare = line.drop { $0 == " " }
      if bare.hasPrefix("```") {
        if let ended = block {
          words += Self.words(ofBlock: ended.kind, ended.lines)
          block = nil
        } else {
          block = (String(bare.dropFirst(3)), line.count - bare.count, [])
        }
      } else if let open = block {
        block?.lines.append(String(line.dropFirst(open.indent)))
      } else if line.hasPrefix("|") {
        let cells = Self.cells(of: line)
        if heading.isEmpty { heading = cells[0] == "Before" ? cells[1] : cells[0] } else { words += Self.word(ofRow: cells, heading) }
      } else {
        heading = ""
      }
    }
    self.words = words
  }

  private static func words(ofBlock kind: String, _ lines: [String]) -> [String] {
    switch kind {
    case "sql": [lines.joined(separator: "\n")]
    case "bash": lines.filter { !$0.isEmpty && !$0.hasPrefix("#") }
    default: lines.filter { !$0.isEmpty }
    }
  }

  private static func word(ofRow cells: [String], _ heading: String) -> [String] {
    guard !cells[0].hasPrefix("---") else { return [] }
    return switch heading {
    case "Variable": ["\(code(cells[0])) = \(code(cells[1]))"]
    case "Exit code": ["exit code \(cells[0])"]
    case "Type now": [code(cells[1])]
    default: []
    }
  }

  /// The cells of a table's row; `\|` is no border.
  private static func cells(of line: Substring) -> [String] {
    line.dropFirst().replacingOccurrences(of: "\\|", with: "\u{0}").split(separator: "|", omittingEmptySubsequences: false)
      .map { $0.replacingOccurrences(of: "\u{0}", with: "|").trimmingCharacters(in: .whitespaces) }
  }

  private static func code(_ cell: String) -> String { cell.trimmingCharacters(in: ["`"]) }
}
