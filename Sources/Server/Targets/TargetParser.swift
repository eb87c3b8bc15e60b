import FleetProtocol
import ServiceRuntime

extension TargetExpression {
  /// Bytes of a text: what a column of type TEXT holds, for rollouts and reactions keep it as it was written.
  public static let longestText = 65_535
  /// Brackets and `not` inside each other.
  public static let deepest = 32
  /// Comparisons in one expression.
  public static let mostConditions = 100
  /// Values in one expression: as many ids as a text has room for.
  public static let mostValues = 1600
  /// Bytes of a value: those of a tag's.
  public static let longestValue = MessageLimits.tagValueBytes

  /// Reads an expression.
  ///
  /// - Parameter allowingPlaceholders: whether values may hold `{agent.id}` without quotes, and `status` and `mode` such a placeholder instead of a known word.
  /// - Throws: what is wrong with the text, and where.
  public init(parsing text: String, allowingPlaceholders: Bool = false) throws(TargetSyntaxError) {
    guard text.utf8.count <= Self.longestText else {
      throw TargetSyntaxError(
        text: String(text.prefix(60)), offset: 0, problem: "the target has \(text.utf8.count) bytes; \(Self.longestText) are the most")
    }
    var parser = TargetParser(
      text: text, lexemes: try TargetLexer.tokens(text, allowsPlaceholders: allowingPlaceholders), allowsPlaceholders: allowingPlaceholders)
    self.init(try parser.expression())
  }
}

/// Reads tokens by recursive descent; how deep is counted, so that no text can use up the stack.
struct TargetParser {
  private typealias Condition = TargetExpression.Condition
  private typealias Token = TargetLexer.Token

  private let text: String
  private let lexemes: [TargetLexer.Lexeme]
  private let allowsPlaceholders: Bool
  private var index = 0
  private var depth = 0
  private var conditionCount = 0
  private var valueCount = 0

  init(text: String, lexemes: [TargetLexer.Lexeme], allowsPlaceholders: Bool) {
    self.text = text
    self.lexemes = lexemes
    self.allowsPlaceholders = allowsPlaceholders
  }

  private var here: TargetLexer.Lexeme { lexemes[index] }

  mutating func expression() throws(TargetSyntaxError) -> TargetExpression.Condition {
    let condition = try disjunction()
    guard here.token == .end else {
      throw unexpected(here.token == .close ? "there is no ( that this ) closes" : "expected 'and', 'or' or the end")
    }
    return condition
  }

  private mutating func disjunction() throws(TargetSyntaxError) -> Condition {
    var parts = [try conjunction()]
    while takeKeyword("or") { parts.append(try conjunction()) }
    return parts.count == 1 ? parts[0] : .any(parts)
  }

  private mutating func conjunction() throws(TargetSyntaxError) -> Condition {
    var parts = [try negation()]
    while takeKeyword("and") { parts.append(try negation()) }
    return parts.count == 1 ? parts[0] : .every(parts)
  }

  private mutating func negation() throws(TargetSyntaxError) -> Condition {
    let start = here
    guard takeKeyword("not") else { return try primary() }
    return .not(try deeper(start) { parser throws(TargetSyntaxError) in try parser.negation() })
  }

  private mutating func primary() throws(TargetSyntaxError) -> Condition {
    let start = here
    if take(.open) {
      let inner = try deeper(start) { parser throws(TargetSyntaxError) in try parser.disjunction() }
      guard take(.close) else { throw unexpected("expected 'and', 'or' or the ) of the ( at character \(start.offset + 1)") }
      return inner
    }
    if takeKeyword("all") { return .everyone }
    return try comparison()
  }

  private mutating func comparison() throws(TargetSyntaxError) -> Condition {
    let start = here
    let subject = try subject()
    conditionCount += 1
    guard conditionCount <= TargetExpression.mostConditions else {
      throw error(
        start, "this is one comparison too many; \(TargetExpression.mostConditions) are the most (a list in brackets counts as one)")
    }
    if take(.equal) { return .equals(subject, try operand(of: subject)) }
    if take(.unequal) { return .differs(subject, try operand(of: subject)) }
    if isKeyword("not"), index + 1 < lexemes.count, Self.isKeyword(lexemes[index + 1].token, "in") {
      index += 2
      return .not(try list(subject))
    }
    if takeKeyword("in") { return try list(subject) }
    if case .tag(let name) = subject { return .hasTag(name) }
    throw unexpected("expected =, != or in (…) behind '\(subject)'")
  }

  private mutating func list(_ subject: TargetExpression.Subject) throws(TargetSyntaxError) -> Condition {
    let start = here
    guard take(.open) else { throw unexpected("expected ( and values behind 'in': \(subject) in (a, b)") }
    var operands = [try operand(of: subject)]
    while take(.comma) { operands.append(try operand(of: subject)) }
    guard take(.close) else { throw unexpected("expected a comma or the ) of the ( at character \(start.offset + 1)") }
    return .among(subject, operands)
  }

  private mutating func subject() throws(TargetSyntaxError) -> TargetExpression.Subject {
    guard case .word(let word, let isPrefix) = here.token else { throw unexpected("expected \(Self.conditions)") }
    guard !TargetLexer.isKeyword(word) else { throw unexpected("expected \(Self.conditions)") }
    if word.hasPrefix("tag:") {
      let name = String(word.dropFirst(4))
      guard !name.isEmpty else { throw error(here, "expected a tag's name behind 'tag:', such as tag:role=worker") }
      guard !isPrefix else { throw error(here, "a tag's name cannot end with *, only a value can") }
      do throws(MessageError) {
        try AgentTags.validate(name: name)
      } catch {
        throw self.error(here, "'\(shortened(name))' cannot be a tag: \(error.problem)")
      }
      index += 1
      return .tag(name)
    }
    guard !isPrefix, let property = TargetExpression.Property(rawValue: word) else { throw unknown(word, isPrefix) }
    index += 1
    return .property(property)
  }

  private mutating func operand(of subject: TargetExpression.Subject) throws(TargetSyntaxError) -> TargetExpression.Operand {
    let operand: TargetExpression.Operand
    switch here.token {
    case .word(let word, let isPrefix):
      guard isPrefix || !TargetLexer.isKeyword(word) else {
        throw error(here, "expected a value for '\(subject)'; put '\(word)' in quotes if it is the value")
      }
      operand = TargetExpression.Operand(word, isPrefix: isPrefix)
    case .quoted(let text, let isPrefix): operand = TargetExpression.Operand(text, isPrefix: isPrefix)
    default: throw unexpected("expected a value for '\(subject)'")
    }
    guard operand.text.utf8.count <= TargetExpression.longestValue else {
      throw error(here, "the value has \(operand.text.utf8.count) bytes; \(TargetExpression.longestValue) are the most")
    }
    valueCount += 1
    guard valueCount <= TargetExpression.mostValues else {
      throw error(here, "this is one value too many; \(TargetExpression.mostValues) are the most")
    }
    if case .property(let property) = subject { try check(operand, property) }
    index += 1
    return operand
  }

  /// A status that no agent can have would hit nobody, in silence.
  private func check(_ operand: TargetExpression.Operand, _ property: TargetExpression.Property) throws(TargetSyntaxError) {
    guard let words = property.words, !(allowsPlaceholders && operand.text.contains("{")) else { return }
    guard !words.contains(where: { operand.isPrefix ? $0.hasPrefix(operand.text) : $0 == operand.text }) else { return }
    let guess =
      nearestWord(to: operand.text.lowercased(), in: words).map { "; did you mean '\($0)'?" }
      ?? "; there are: \(words.joined(separator: ", "))"
    throw error(here, "'\(shortened(operand.text))' is no \(property.rawValue)\(guess)")
  }

  private mutating func deeper(
    _ start: TargetLexer.Lexeme, _ body: (inout TargetParser) throws(TargetSyntaxError) -> Condition
  ) throws(TargetSyntaxError) -> Condition {
    depth += 1
    defer { depth -= 1 }
    guard depth <= TargetExpression.deepest else {
      throw error(start, "this is nested too deeply; \(TargetExpression.deepest) brackets and 'not' inside each other are the most")
    }
    return try body(&self)
  }

  // MARK: Tokens

  private mutating func take(_ token: Token) -> Bool {
    guard here.token == token else { return false }
    index += 1
    return true
  }

  private static func isKeyword(_ token: Token, _ keyword: String) -> Bool {
    guard case .word(let word, false) = token else { return false }
    return word.lowercased() == keyword
  }

  private func isKeyword(_ keyword: String) -> Bool { Self.isKeyword(here.token, keyword) }

  private mutating func takeKeyword(_ keyword: String) -> Bool {
    guard isKeyword(keyword) else { return false }
    index += 1
    return true
  }

  // MARK: Errors

  private static let words = TargetExpression.Property.allCases.map(\.rawValue) + ["tag:NAME"]
  private static let conditions = "a condition (\(words.joined(separator: ", ")), not, all or a bracket)"

  private func unknown(_ word: String, _ isPrefix: Bool) -> TargetSyntaxError {
    var candidates = TargetExpression.Property.allCases.map(\.rawValue)
    var rest = ""
    if let colon = word.firstIndex(of: ":") {
      candidates = ["tag"]
      rest = String(word[colon...])
    }
    let head = String(word.prefix(word.count - rest.count)).lowercased()
    if !isPrefix, let guess = nearestWord(to: head, in: candidates) {
      return error(here, "there is nothing called '\(shortened(word))'; did you mean '\(shortened(guess + rest))'?")
    }
    let suggestion = TargetExpression.Operand(shortened(word), isPrefix: isPrefix)
    return error(
      here, "there is nothing called '\(suggestion)'; there are \(Self.words.joined(separator: ", ")); did you mean name=\(suggestion)?")
  }

  private func unexpected(_ expected: String) -> TargetSyntaxError {
    let found =
      switch here.token {
      case .word(let word, let isPrefix): "'\(shortened(word))\(isPrefix ? "*" : "")'"
      case .quoted(let text, _): "\"\(shortened(text))\""
      case .open: "'('"
      case .close: "')'"
      case .comma: "','"
      case .equal: "'='"
      case .unequal: "'!='"
      case .end: index == 0 ? "nothing" : "the end"
      }
    return error(here, "\(expected), found \(found)")
  }

  private func shortened(_ text: String) -> String { printable(String(text.prefix(40))) + (text.count > 40 ? "…" : "") }

  private func error(_ lexeme: TargetLexer.Lexeme, _ problem: String) -> TargetSyntaxError {
    TargetSyntaxError(text: text, offset: lexeme.offset, problem: problem)
  }
}
