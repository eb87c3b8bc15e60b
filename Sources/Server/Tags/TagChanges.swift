import FleetProtocol
import ServiceRuntime

/// What an operator changes in agents' tags: `role=worker` sets a value, `role-` takes the operator's value away, so that the agent's own holds again.
public struct TagChanges: Sendable, Equatable {
  /// Names and the values they get.
  public var values: [String: String] = [:]
  /// Names whose operator's value goes.
  public var removed: Set<String> = []

  /// Reads words as an operator types them.
  public init(parsing words: [String]) throws(ChangeError) {
    for word in words {
      let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      let isRemoval = parts.count == 1 && word.hasSuffix("-")
      let name = isRemoval ? String(word.dropLast()) : parts[0]
      guard parts.count == 2 || isRemoval else {
        throw ChangeError("'\(printable(word))' is no change of a tag; write name=value, or name- to take the operator's value away")
      }
      do throws(MessageError) {
        try AgentTags.validate(name: name)
        if !isRemoval { try AgentTags.validate([name: parts[1]]) }
      } catch {
        throw ChangeError("'\(printable(word))': \(error)")
      }
      guard values[name] == nil, !removed.contains(name) else { throw ChangeError("the tag '\(name)' is there twice") }
      if isRemoval { removed.insert(name) } else { values[name] = parts[1] }
    }
  }

  var names: [String] { removed.union(values.keys).sorted() }
}

/// A change that an operator typed and that means nothing, with the remedy.
public struct ChangeError: Error, Equatable, CustomStringConvertible {
  /// One line.
  public let description: String

  init(_ description: String) { self.description = description }
}
