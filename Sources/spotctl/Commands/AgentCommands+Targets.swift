import FleetProtocol
import MySQL
import Server
import ServiceRuntime

extension AgentCommands {
  /// Agents read, printed or changed at once.
  static let pageSize = 500

  /// Whom `--target`, `--client` and `--status` mean together.
  func target(_ invocation: Invocation) async throws -> TargetExpression {
    var parts: [TargetExpression] = []
    if let text = invocation.values["--target"] { parts.append(try TargetExpression(parsing: text)) }
    if let word = invocation.values["--client"] {
      parts.append(TargetExpression(.equals(.property(.client), .init(try await clients.find(word).account.id))))
    }
    if let word = invocation.values["--status"] {
      guard AgentStatus(rawValue: word) != nil else {
        throw Failure(
          .usage, "--status is '\(printable(word))'; it must be one of \(AgentStatus.allCases.map(\.rawValue).joined(separator: ", "))")
      }
      parts.append(TargetExpression(.equals(.property(.status), .init(word))))
    }
    return .every(parts)
  }

  /// Whom a command acts on: the agent that is named, or those that `--target` hits.
  func actedOn(_ invocation: Invocation) async throws -> TargetExpression {
    if invocation.values["--target"] != nil { return try await target(invocation) }
    return TargetExpression(.equals(.property(.id), .init(try await find(invocation).id)))
  }

  /// With `--target` there is no AGENT: a first word that changes nothing is most likely one.
  func refuseAgentBesideTarget(_ invocation: Invocation) throws(UsageError) {
    guard invocation.values["--target"] != nil, let word = invocation.words.first, !word.contains("="), !word.hasSuffix("-") else { return }
    throw UsageError(
      "'\(printable(word))' is neither name=value nor name-; if it is an agent: give AGENT or --target, not both", path: invocation.path)
  }

  /// `spotctl agents list`.
  func list(_ invocation: Invocation) async throws {
    _ = try await show(try await target(invocation), empty: "No agents.")
  }

  /// `--dry-run` of whatever acts on agents.
  func showWhomItHits(_ target: TargetExpression) async throws {
    let count = try await show(target, empty: "No agents.")
    terminal.remark("\(count) agent\(count == 1 ? " is" : "s are") hit; nothing was changed (--dry-run)")
  }

  /// Goes through the agents of a target, a page at a time. Hitting nobody is a failure: most likely the expression is not what was meant.
  func forEachPage(_ target: TargetExpression, size: Int = pageSize, _ body: ([TargetedAgent]) async throws -> Void) async throws {
    var key: Int64 = 0
    while true {
      let page = try await store.select(target, after: key, limit: size)
      if page.isEmpty, key == 0 {
        throw Failure(
          .notFound, "the target '\(printable(target.description))' hits no agent; try it with: spotctl agents list --target EXPR")
      }
      if !page.isEmpty { try await body(page) }
      guard page.count == size, let last = page.last else { return }
      key = last.key
    }
  }

  private func show(_ target: TargetExpression, empty: String) async throws -> Int {
    var pages = Pages(isJSON: terminal.isJSON, empty: empty)
    var cursor: AgentPage.Cursor?
    repeat {
      let page = try await store.page(target, after: cursor, limit: Self.pageSize)
      let tags = try await store.tags(of: page.listing.rows.map(\.key))
      try terminal.print(try pages.text(page.listing.rows.map { Record($0, tags: tags[$0.key] ?? [], inList: true) }))
      for problem in page.listing.problems { terminal.remark("\(problem)") }
      cursor = page.next
    } while cursor != nil
    try terminal.print(pages.end())
    return pages.count
  }
}
