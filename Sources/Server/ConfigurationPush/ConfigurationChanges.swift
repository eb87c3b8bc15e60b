import FleetProtocol
import ServiceRuntime

/// What an operator changes in agents' configuration: `replica_count=2` sets a value, `replica_count-` goes back to the default.
public struct ConfigurationChanges: Sendable, Equatable {
  /// Keys and the values they get.
  public var values: [String: JSONValue] = [:]
  /// Keys whose own value goes.
  public var removed: Set<String> = []

  /// Reads words as an operator types them.
  public init(parsing words: [String]) throws(ChangeError) {
    for word in words {
      let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      let isRemoval = parts.count == 1 && word.hasSuffix("-")
      let name = isRemoval ? String(word.dropLast()) : parts[0]
      guard parts.count == 2 || isRemoval else {
        throw ChangeError("'\(printable(word))' is no change of a configuration; write key=value, or key- to go back to the default")
      }
      guard let key = AgentConfiguration.keys.first(where: { $0.name == name }) else { throw Self.unknown(name) }
      guard values[name] == nil, !removed.contains(name) else { throw ChangeError("the key '\(name)' is there twice") }
      if isRemoval {
        removed.insert(name)
      } else if let value = key.value(of: parts[1]) {
        values[name] = value
      } else {
        throw ChangeError("\(name) is '\(printable(String(parts[1].prefix(40))))'; it must be \(key.values)")
      }
    }
  }

  /// The overrides after the change. Keys that no program knows stay: somebody wrote them by hand.
  func applied(to overrides: [String: JSONValue]) -> [String: JSONValue] {
    overrides.filter { !removed.contains($0.key) }.merging(values) { $1 }
  }

  private static func unknown(_ name: String) -> ChangeError {
    let width = AgentConfiguration.keys.map(\.name.count).max() ?? 0
    let list = AgentConfiguration.keys.map { key in
      "  \(key.name)\(String(repeating: " ", count: width - key.name.count))  \(key.values)"
    }
    let guess = nearestWord(to: name, in: AgentConfiguration.keys.map(\.name)).map { "; did you mean '\($0)'?" } ?? ""
    return ChangeError(
      "there is no key '\(printable(String(name.prefix(60))))'\(guess.isEmpty ? "." : guess) The keys are:\n\(list.joined(separator: "\n"))"
    )
  }
}
