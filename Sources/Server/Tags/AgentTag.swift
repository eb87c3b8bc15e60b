import MySQL

/// A row of `agent_tags`.
public struct AgentTag: Sendable, Equatable {
  /// The tag's name.
  public let name: String
  /// What the agent says.
  public let agentValue: String?
  /// What an operator says, which holds.
  public let operatorValue: String?

  /// A tag; see the properties.
  public init(name: String, agentValue: String?, operatorValue: String?) {
    self.name = name
    self.agentValue = agentValue
    self.operatorValue = operatorValue
  }

  /// The value that holds.
  public var value: String { operatorValue ?? agentValue ?? "" }

  init(_ row: Row) throws {
    name = try row.string("name")
    agentValue = try row.optionalString("agent_value")
    operatorValue = try row.optionalString("operator_value")
  }
}
