import ServiceRuntime

/// Takes a target's text apart.
struct TargetLexer {
  enum Token: Equatable {
    /// A word without quotes: `and`, `tag:role`, `web-`; with a star behind it, `web-*`.
    case word(String, isPrefix: Bool)
    /// What stood in quotes.
    case quoted(String, isPrefix: Bool)
    case open
    case close
    case comma
    case equal
    case unequal
    case end
  }

  /// A token and the place of its first character.
  struct Lexeme: Equatable {
    let token: Token
    let offset: Int
  }

  static let keywords = ["and", "or", "not", "in", "all"]

  private let text: String
  // By code points and not by characters as people see them: an accent that follows a quote must not hide it.
  private let characters: [Unicode.Scalar]
  private let allowsPlaceholders: Bool
  private var index = 0

  init(_ text: String, allowsPlaceholders: Bool) {
    self.text = text
    self.allowsPlaceholders = allowsPlaceholders
    characters = Array(text.unicodeScalars)
  }

  /// All tokens, with `end` as the last.
  static func tokens(_ text: String, allowsPlaceholders: Bool) throws(TargetSyntaxError) -> [Lexeme] {
    var lexer = TargetLexer(text, allowsPlaceholders: allowsPlaceholders)
    var lexemes: [Lexeme] = []
    repeat { lexemes.append(try lexer.next()) } while lexemes.last?.token != .end
    return lexemes
  }

  static func isKeyword(_ text: String) -> Bool { keywords.contains(text.lowercased()) }

  /// What a word may be made of without being quoted.
  static func isPlain(_ character: Unicode.Scalar) -> Bool {
    switch character {
    case "a"..."z", "A"..."Z", "0"..."9", "-", "_", ".", "/", "@", ":", "+": true
    default: !character.isASCII && (character.properties.isAlphabetic || character.properties.numericType != nil)
    }
  }

  /// What a backslash in quotes takes its meaning from.
  static func isEscapable(_ character: Unicode.Scalar) -> Bool { ["\"", "'", "\\", "*"].contains(character) }

  private mutating func next() throws(TargetSyntaxError) -> Lexeme {
    while index < characters.count, characters[index] == " " || characters[index] == "\t" { index += 1 }
    let start = index
    guard index < characters.count else { return Lexeme(token: .end, offset: start) }
    let character = characters[index]
    if character == "\"" || character == "'" { return try quoted(character) }
    if isWordCharacter(character) || character == "*" { return try word() }
    index += 1
    switch character {
    case "(": return Lexeme(token: .open, offset: start)
    case ")": return Lexeme(token: .close, offset: start)
    case ",": return Lexeme(token: .comma, offset: start)
    case "=":
      guard index == characters.count || characters[index] != "=" else { throw error(start, "'==' is written '='") }
      return Lexeme(token: .equal, offset: start)
    case "!":
      guard index < characters.count, characters[index] == "=" else { throw error(start, "'!' is written 'not' ('!=' compares)") }
      index += 1
      return Lexeme(token: .unequal, offset: start)
    case "&": throw error(start, "'&' is written 'and'")
    case "|": throw error(start, "'|' is written 'or'")
    case "<", ">", "~": throw error(start, "'\(character)' compares nothing here; there are =, != and in (…)")
    case "{" where !allowsPlaceholders, "}" where !allowsPlaceholders:
      throw error(
        start,
        "'\(character)' begins or ends a placeholder, which only --on-agents of a reaction and the texts of its JSON have; "
          + "put the value in quotes if it is meant as it is")
    default: throw error(start, "'\(printable(String(character)))' cannot stand here; put a value that has it in quotes")
    }
  }

  private func isWordCharacter(_ character: Unicode.Scalar) -> Bool {
    Self.isPlain(character) || (allowsPlaceholders && (character == "{" || character == "}"))
  }

  private mutating func word() throws(TargetSyntaxError) -> Lexeme {
    let start = index
    while index < characters.count, isWordCharacter(characters[index]) { index += 1 }
    var word = ""
    word.unicodeScalars.append(contentsOf: characters[start..<index])
    let next = index + 1 < characters.count ? characters[index + 1] : " "
    let isPrefix = try star(isLast: !isWordCharacter(next) && !["\"", "'", "*"].contains(next))
    return Lexeme(token: .word(word, isPrefix: isPrefix), offset: start)
  }

  private mutating func quoted(_ quote: Unicode.Scalar) throws(TargetSyntaxError) -> Lexeme {
    let start = index
    index += 1
    var content = ""
    while index < characters.count {
      let character = characters[index]
      switch character {
      case quote:
        index += 1
        return Lexeme(token: .quoted(content, isPrefix: false), offset: start)
      case "*":
        _ = try star(isLast: index + 1 == characters.count || characters[index + 1] == quote)
        guard index < characters.count else { break }
        index += 1
        return Lexeme(token: .quoted(content, isPrefix: true), offset: start)
      case "\\":
        guard index + 1 < characters.count, Self.isEscapable(characters[index + 1]) else {
          throw error(index, #"a backslash in quotes stands before \, *, " or '; a backslash itself is written \\"#)
        }
        content.unicodeScalars.append(characters[index + 1])
        index += 2
      case _ where character.properties.generalCategory == .control:
        throw error(index, "'\(printable(String(character)))' is a control character, which no value has")
      default:
        content.unicodeScalars.append(character)
        index += 1
      }
    }
    throw error(start, "the quote is not closed; a \(quote) is missing at the end of the value")
  }

  /// Takes a star if one is here; `isLast` says whether the value ends behind it.
  private mutating func star(isLast: Bool) throws(TargetSyntaxError) -> Bool {
    guard index < characters.count, characters[index] == "*" else { return false }
    guard isLast else {
      throw error(index, #"a * stands at the end of a value only; one that is meant as it is is written "\*""#)
    }
    index += 1
    return true
  }

  private func error(_ offset: Int, _ problem: String) -> TargetSyntaxError {
    TargetSyntaxError(text: text, offset: offset, problem: problem)
  }
}
