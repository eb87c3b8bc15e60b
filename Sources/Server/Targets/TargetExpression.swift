import FleetProtocol

/// Which agents somebody means: `tag:role=worker and az=us-east-1a and not mode=ondemand`. A value, read from a text, compiled to SQL.
///
/// docs/targets.md has the grammar.
public struct TargetExpression: Sendable, Equatable {
  /// What an agent has to fulfil.
  public var root: Condition

  /// An expression made by hand.
  public init(_ root: Condition) { self.root = root }

  /// Every agent: `all`.
  public static let everyone = TargetExpression(.everyone)

  /// The agents that fulfil all of these.
  public static func every(_ expressions: [TargetExpression]) -> TargetExpression {
    let conditions = expressions.map(\.root).filter { $0 != .everyone }
    guard let first = conditions.first else { return .everyone }
    return TargetExpression(conditions.count == 1 ? first : .every(conditions))
  }

  /// A condition on an agent, which holds or does not hold: something that is not known of an agent (NULL) equals nothing, so that it differs from everything.
  public indirect enum Condition: Sendable, Equatable {
    /// Holds for every agent.
    case everyone
    /// All of them, two at least.
    case every([Condition])
    /// One of them, two at least.
    case any([Condition])
    /// The opposite.
    case not(Condition)
    /// `az=us-east-1a`, `name=web-*`.
    case equals(Subject, Operand)
    /// `az!=us-east-1a`.
    case differs(Subject, Operand)
    /// `id in (a, b)`; one at least.
    case among(Subject, [Operand])
    /// `tag:team`: the tag is there, whatever its value.
    case hasTag(String)
  }

  /// What of an agent is compared.
  public enum Subject: Sendable, Hashable {
    /// One of the words of the grammar.
    case property(Property)
    /// The value of the tag of this name.
    case tag(String)
  }

  /// What an agent has besides tags, by the words of the grammar.
  public enum Property: String, Sendable, Hashable, CaseIterable {
    /// The client: its id, or its name where no client has that id.
    case client
    /// `agents.status`.
    case status
    /// `agents.region`.
    case region
    /// `agents.az`.
    case az
    /// `agents.instance_type`.
    case instanceType = "instance_type"
    /// `agents.mode`.
    case mode
    /// `agents.agent_version`.
    case version
    /// `agents.transport`.
    case transport
    /// `agents.id`.
    case id
    /// `agents.logical_agent_id`.
    case name

    /// The words that it can be; `nil` when it can be anything.
    var words: [String]? {
      switch self {
      case .status: AgentStatus.allCases.map(\.rawValue)
      case .mode: InstanceMode.allCases.map(\.rawValue)
      case .transport: ["amqp", "http"]
      default: nil
      }
    }
  }

  /// What it is compared with.
  public struct Operand: Sendable, Hashable {
    /// The text; what is in it stands for itself.
    public var text: String
    /// Whether everything that begins with the text is meant (`web-*`).
    public var isPrefix: Bool

    /// An operand; see the properties.
    public init(_ text: String, isPrefix: Bool = false) {
      self.text = text
      self.isPrefix = isPrefix
    }
  }

  /// The same expression with other values: what placeholders stand for is put in here, into the tree, where it can be nothing but a value.
  public func mapValues(_ transform: (String) throws -> String) rethrows -> TargetExpression {
    TargetExpression(try root.mapValues(transform))
  }
}

extension TargetExpression.Condition {
  fileprivate func mapValues(_ transform: (String) throws -> String) rethrows -> Self {
    func map(_ operand: TargetExpression.Operand) throws -> TargetExpression.Operand {
      TargetExpression.Operand(try transform(operand.text), isPrefix: operand.isPrefix)
    }
    return switch self {
    case .everyone, .hasTag: self
    case .every(let conditions): .every(try conditions.map { try $0.mapValues(transform) })
    case .any(let conditions): .any(try conditions.map { try $0.mapValues(transform) })
    case .not(let condition): .not(try condition.mapValues(transform))
    case .equals(let subject, let operand): .equals(subject, try map(operand))
    case .differs(let subject, let operand): .differs(subject, try map(operand))
    case .among(let subject, let operands): .among(subject, try operands.map(map))
    }
  }
}

extension TargetExpression.Subject: CustomStringConvertible {
  /// As it is written: `az`, `tag:role`.
  public var description: String {
    switch self {
    case .property(let property): property.rawValue
    case .tag(let name): "tag:\(name)"
    }
  }
}

extension TargetExpression.Operand: CustomStringConvertible {
  /// As it is written, in quotes where it needs them.
  public var description: String {
    let isBare = text.unicodeScalars.allSatisfy(TargetLexer.isPlain) && (isPrefix || !(text.isEmpty || TargetLexer.isKeyword(text)))
    guard !isBare else { return isPrefix ? text + "*" : text }
    var quoted = "\""
    for character in text.unicodeScalars {
      if TargetLexer.isEscapable(character), character != "'" { quoted.append("\\") }
      quoted.unicodeScalars.append(character)
    }
    return quoted + (isPrefix ? "*\"" : "\"")
  }
}

extension TargetExpression: CustomStringConvertible {
  /// The expression in its canonical writing, from which the same value is read again.
  public var description: String { root.description }
}

extension TargetExpression.Condition: CustomStringConvertible {
  /// As it is written.
  public var description: String {
    switch self {
    case .everyone: "all"
    case .every(let conditions): conditions.map { $0.bracketed(besideAnd: true) }.joined(separator: " and ")
    case .any(let conditions): conditions.map { $0.bracketed(besideAnd: false) }.joined(separator: " or ")
    case .not(let condition): "not \(condition.bracketed(besideAnd: true))"
    case .equals(let subject, let operand): "\(subject)=\(operand)"
    case .differs(let subject, let operand): "\(subject)!=\(operand)"
    case .among(let subject, let operands): "\(subject) in (\(operands.map(\.description).joined(separator: ", ")))"
    case .hasTag(let name): "tag:\(name)"
    }
  }

  /// `and` binds more tightly than `or`, `not` more tightly than both; a list within a list of its own kind keeps its brackets, because it is another value.
  private func bracketed(besideAnd: Bool) -> String {
    switch self {
    case .any: "(\(self))"
    case .every where besideAnd: "(\(self))"
    default: description
    }
  }
}
