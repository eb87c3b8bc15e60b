import FleetProtocol
import MySQL

/// What a change of configuration did to a page of agents.
public struct ConfigurationOutcome: Sendable, Equatable {
  /// Agents whose configuration is another now.
  public var changed: [String] = []
  /// Those of them that a `configure` command was written for; the others hear of it when they next connect.
  public var told: [String] = []
  /// Rows whose configuration cannot be read; they were left as they are.
  public var problems: [StoreError] = []
}

extension AgentStore {
  /// Changes the configuration of these agents in one transaction, together with the commands that tell those who can be reached; a page of them, some hundred, is well.
  ///
  /// The version is counted up where what holds is another afterwards; the rest stays as it is. After this has returned the caller wakes the dispatchers.
  public func configure(_ changes: ConfigurationChanges, agents keys: [Int64]) async throws -> ConfigurationOutcome {
    guard !keys.isEmpty else { return ConfigurationOutcome() }
    return try await pool.transaction { connection in
      var locking: SQLText = "SELECT "
      locking.append(sql: ConfigurationState.columns)
      locking.append(sql: " FROM agents a WHERE a.agent_key IN (")
      locking.append(list: keys.map { .int($0) })
      locking.append(sql: ") ORDER BY a.agent_key FOR UPDATE")
      var contents = ConfigurationContents()
      let rows = try await connection.queryText(locking)
      let states = try Listing(rows, of: "agents") { try ConfigurationState($0, &contents) }
      var outcome = ConfigurationOutcome(problems: states.problems)
      var drafts: [CommandDraft] = []
      var updates: [ConfigurationUpdate: [Int64]] = [:]
      var changed: [String: ConfigurationContent] = [:]
      for state in states.rows {
        let content = try changed[state.content.text] ?? state.content.applying(changes)
        changed[state.content.text] = content
        guard content.overrides != state.content.overrides else { continue }
        let isOther = content.effective != state.content.effective
        let version = isOther ? state.nextVersion : state.version
        updates[ConfigurationUpdate(config: content.text, version: version), default: []].append(state.key)
        guard isOther else { continue }
        outcome.changed.append(state.id)
        guard state.isReachable else { continue }
        drafts.append(state.command(content, version: version))
        outcome.told.append(state.id)
      }
      for (update, keys) in updates { try await update.write(keys, on: connection) }
      try await CommandStore.insert(drafts, on: connection)
      return outcome
    }
  }

  /// Writes a `configure` command for agents that can be reached and work by another version of the configuration than they should, at most `limit` of them with greater
  /// keys than `agentKey`; returns whom it told, and the key to go on from (`nil`: there are no more).
  ///
  /// An agent with a greater version than its row's was given it by somebody else, and would take nothing older: the row's version goes above it.
  ///
  /// An agent has one open at most, none is written within `pause` of the last one, and an agent that has answered for this very version is left alone: agents of
  /// version 5.0 say no version in their heartbeats and know no such command, and must not be asked for ever. Two servers may do it at once.
  func remindOfConfiguration(
    after agentKey: Int64, limit: Int, pause: Duration
  ) async throws -> (outcome: ConfigurationOutcome, next: Int64?) {
    let candidates = try await differing(after: agentKey, limit)
    guard let last = candidates.last else { return (ConfigurationOutcome(), nil) }
    let outcome = try await pool.transaction { connection in
      var locking: SQLText = "SELECT "
      locking.append(sql: ConfigurationState.columns)
      locking.append(sql: " FROM agents a WHERE a.agent_key IN (")
      locking.append(list: candidates.map { .int($0) })
      locking.append(sql: ") ORDER BY a.agent_key FOR UPDATE SKIP LOCKED")
      var contents = ConfigurationContents()
      let rows = try await connection.queryText(locking)
      let states = try Listing(rows, of: "agents") { try ConfigurationState($0, &contents) }
      // A statement of its own, which sees what another server wrote before it gave these rows free.
      let told = try await Self.remindedAgents(states.rows, pause, on: connection)
      var outcome = ConfigurationOutcome(problems: states.problems)
      var drafts: [CommandDraft] = []
      for state in states.rows where state.isReachable && state.isDifferent && !told.contains(state.key) {
        guard let version = state.versionToTell else {
          outcome.problems.append(state.cannotBeOvertaken)
          continue
        }
        if version != state.version {
          try await ConfigurationUpdate(config: state.content.text, version: version).write([state.key], on: connection)
        }
        drafts.append(state.command(state.content, version: version))
      }
      try await CommandStore.insert(drafts, on: connection)
      outcome.told = drafts.map(\.agentID)
      return outcome
    }
    return (outcome, candidates.count < limit ? nil : last)
  }

  private func differing(after agentKey: Int64, _ limit: Int) async throws -> [Int64] {
    let rows = try await pool.withConnection { connection in
      try await connection.query(
        """
        SELECT a.agent_key FROM agents a WHERE a.agent_key > ? AND a.config_version <> COALESCE(a.applied_config_version, 0) \
        AND a.queue IS NOT NULL AND a.status NOT IN ('offline', 'deleted') ORDER BY a.agent_key LIMIT ?
        """, [.int(agentKey), .int(Int64(limit))])
    }
    return try rows.map { Int64(try $0.int("agent_key")) }
  }

  private static func remindedAgents(_ states: [ConfigurationState], _ pause: Duration, on connection: Connection) async throws -> Set<
    Int64
  > {
    guard !states.isEmpty else { return [] }
    var sql: SQLText = "SELECT DISTINCT a.agent_key FROM agents a JOIN commands c ON c.agent_id = a.id WHERE a.agent_key IN ("
    sql.append(list: states.map { .int($0.key) })
    sql.append(sql: ") AND c.command_type = ")
    sql.append(.text(ConfigurationState.commandType))
    sql.append(sql: " AND c.source = ")
    sql.append(.text(ConfigurationState.source))
    sql.append(sql: " AND (c.status IN ('pending', 'queued', 'delivered', 'running') OR c.created_at > NOW(3) - INTERVAL ")
    sql.append(.int(pause.milliseconds * 1000))
    // The version is the last of what `ConfigurationState.command` writes, whose keys are sorted.
    // Who has a greater one has answered for this one long ago.
    sql.append(
      sql: """
         MICROSECOND OR (a.config_version > COALESCE(a.applied_config_version, 0) \
        AND c.status IN ('succeeded', 'failed') AND c.parameters LIKE CONCAT('%"version":', a.config_version, '}')))
        """)
    return Set(try await connection.queryText(sql).map { Int64(try $0.int("agent_key")) })
  }
}

/// What many agents' rows become at once: most have had the same configuration before and have the same one afterwards.
private struct ConfigurationUpdate: Hashable {
  let config: String
  let version: Int

  func write(_ keys: [Int64], on connection: Connection) async throws {
    var sql: SQLText = "UPDATE agents SET config = "
    sql.append(config.isEmpty ? .null : .text(config))
    sql.append(sql: ", config_version = ")
    sql.append(.int(Int64(version)))
    sql.append(sql: " WHERE agent_key IN (")
    sql.append(list: keys.map { .int($0) })
    sql.append(sql: ")")
    try await connection.executeText(sql)
  }
}
