/// What `grow` measures one after the other. Rows only come and never go: first agents with no past at all, then the past of the most agents.
struct GrowthPlan: Sendable, Equatable {
  /// How large the tables are.
  struct Cell: Sendable, Hashable {
    /// Rows of `agents`.
    let agents: Int
    /// Rows of `commands` that have ended, and as many of `system_events`.
    let history: Int

    /// What its figures begin with: `agents_1000_history_0`.
    var key: String { "agents_\(agents)_history_\(history)" }
    /// The same for readers: `1000 agents, past 0`.
    var title: String { "\(agents) agents, past \(history)" }
  }

  /// In the order of measuring; the first is what the others are compared with.
  let cells: [Cell]

  /// `agents` and `history` ascend, and `agents` has one at least.
  init(agents: [Int], history: [Int]) {
    cells = agents.map { Cell(agents: $0, history: 0) } + history.map { Cell(agents: agents.last ?? 0, history: $0) }
  }
}
