import FleetProtocol
import Foundation
import Testing

/// The table of keys in docs/configuration-push.md is the one that the programs go by.
@Suite struct ConfigurationKeysDocumentTests {
  @Test func theDocumentHasEveryKeyWithItsValuesAndDefault() throws {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    let text = try String(contentsOf: root.appending(path: "docs/configuration-push.md"), encoding: .utf8)
    let rows = text.split(separator: "\n").filter { $0.hasPrefix("| `") }.map(String.init)
    let expected = try AgentConfiguration.keys.map { key in
      let fallback = String(decoding: try WireCoding.encodeJSON(key.defaultValue), as: UTF8.self)
      return "| `\(key.name)` | \(key.values) | \(fallback) | \(key.help) |"
    }
    #expect(rows == expected)
  }
}
