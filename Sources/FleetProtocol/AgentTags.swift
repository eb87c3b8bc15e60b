/// What agents and operators may call an agent: names with values, for choosing many agents at once.
public enum AgentTags {
  /// Checks the names, the values and how many there are.
  public static func validate(_ tags: [String: String]) throws(MessageError) {
    try MessageLimits.count(tags.count, "tags", most: MessageLimits.tags)
    for (name, value) in tags {
      try validate(name: name)
      try MessageLimits.text(value, "tags.\(name)", most: MessageLimits.tagValueBytes, emptyAllowed: true)
    }
  }

  /// A name is made of letters, digits and `- _ . / @`, so that it can stand in an expression without quotes.
  public static func validate(name: String) throws(MessageError) {
    try MessageLimits.text(name, "tags", most: MessageLimits.tagNameBytes)
    guard name.utf8.allSatisfy(isNameByte) else {
      throw MessageError(field: "tags", problem: "has the name '\(shown(name))'; a name is made of letters, digits and - _ . / @")
    }
  }

  private static func isNameByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): true
    case UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "/"), UInt8(ascii: "@"): true
    default: false
    }
  }
}
