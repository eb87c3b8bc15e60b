/// What became of the rows of the former system.
public struct ImportReport: Sendable, Equatable {
  /// What is imported.
  public enum Kind: String, Sendable, CaseIterable { case client, agent, command }

  /// What became of a row.
  public enum Outcome: String, Sendable, CaseIterable {
    /// It is in our tables now (or would be, when nothing is to be changed).
    case imported
    /// It was there before, the same.
    case alreadyThere = "already_there"
    /// Something else is there in its place, or it cannot be a row of ours; nothing was changed.
    case conflict
    /// It is nothing to be imported: an agent that was deleted, say.
    case leftOut = "left_out"
  }

  /// A row that was not imported, and why.
  public struct Problem: Sendable, Equatable {
    /// Its table.
    public let kind: Kind
    /// `conflict` or `leftOut`.
    public let outcome: Outcome
    /// Its id there.
    public let id: String
    /// Its name: a client's, or an agent's logical id.
    public let name: String?
    /// Why, and what to do.
    public let reason: String
  }

  /// Problems that are kept one by one; beyond them they are only counted.
  public static let mostProblems = 10_000

  /// How many of each.
  public private(set) var counts: [Kind: [Outcome: Int]] = [:]
  /// Rows that were not imported.
  public private(set) var problems: [Problem] = []
  /// What the former system's tables lack that could be used, for the operator.
  public internal(set) var remarks: [String] = []

  /// How many rows of a kind came to this.
  public func count(_ kind: Kind, _ outcome: Outcome) -> Int { counts[kind]?[outcome] ?? 0 }

  /// How many rows something stands in the way of.
  public var conflictCount: Int { Kind.allCases.map { count($0, .conflict) }.reduce(0, +) }

  mutating func add(_ kind: Kind, _ outcome: Outcome) { counts[kind, default: [:]][outcome, default: 0] += 1 }

  mutating func add(_ kind: Kind, _ outcome: Outcome, id: String, name: String?, _ reason: String) {
    add(kind, outcome)
    if problems.count < Self.mostProblems {
      problems.append(Problem(kind: kind, outcome: outcome, id: id, name: name, reason: reason))
    }
  }
}
