import FleetProtocol
import MySQL
import ServiceRuntime
import TestSupport
import Testing

@testable import Server

/// Clients, agents and commands of the former system's database.
@Suite struct FleetImportTests {
  /// The former system's tables as most installations have them.
  private static let tables = [
    "CREATE TABLE clients (id CHAR(36) PRIMARY KEY, name VARCHAR(255), email VARCHAR(255), client_token VARCHAR(255), is_active TINYINT(1), plan VARCHAR(20))",
    """
    CREATE TABLE agents (id CHAR(36) PRIMARY KEY, client_id CHAR(36), logical_agent_id VARCHAR(255), hostname VARCHAR(255), \
    instance_id VARCHAR(64), instance_type VARCHAR(64), region VARCHAR(64), az VARCHAR(64), mode ENUM('spot','ondemand','unknown'), \
    status VARCHAR(20), last_heartbeat_at DATETIME, enabled BOOLEAN, terminate_wait_seconds INT, min_savings_percent DECIMAL(5,2))
    """,
    """
    CREATE TABLE commands (id CHAR(36) PRIMARY KEY, agent_id CHAR(36), instance_id VARCHAR(64), command_type VARCHAR(50), \
    target_mode VARCHAR(20), target_pool_id BIGINT, priority INT, terminate_wait_seconds INT, \
    status ENUM('pending','executed','failed'), created_at DATETIME)
    """,
    "INSERT INTO clients VALUES ('c1', 'One', 'a@b.c', 'token-one', 1, 'gold'), ('c2', 'Two', NULL, ' token-two ', 0, NULL)",
    """
    INSERT INTO agents VALUES \
    ('a-1', 'c1', 'web-1', 'h', 'i-1', 'c5.large', 'r', 'z', 'spot', 'online', '2026-01-31 05:26:47', 1, 120, 15.00), \
    ('a-2', 'c1', 'web-2', NULL, NULL, NULL, NULL, NULL, NULL, 'offline', NULL, 0, 300, 20.50), \
    ('a-3', 'c1', 'gone', NULL, NULL, NULL, NULL, NULL, NULL, 'deleted', NULL, 1, 300, 15), \
    ('a-4', 'c2', 'web-1', NULL, NULL, NULL, NULL, NULL, NULL, 'online', NULL, 1, 300, 15)
    """,
    """
    INSERT INTO commands VALUES ('k-1', 'a-1', 'i-1', 'switch', 'ondemand', 7, 75, 60, 'pending', '2026-01-31 05:26:47'), \
    ('k-2', 'a-1', NULL, 'create_replica', NULL, NULL, 100, NULL, 'pending', NULL), \
    ('k-3', 'a-1', 'i-1', 'switch', 'spot', 8, 25, 60, 'executed', '2026-01-31 05:26:47'), \
    ('k-4', 'a-3', 'i-1', 'switch', 'spot', 8, 25, 60, 'pending', NULL)
    """,
  ]

  private struct Fixture: Sendable {
    let database: FleetDatabase
    let former: Pool
    let name: String

    func load(_ selection: FleetImport.Selection = FleetImport.Selection()) async throws -> ImportReport {
      try await FleetImport.run(into: database.pool, from: former, database: name, selection)
    }

    func former(_ statement: String) async throws {
      _ = try await former.withConnection { try await $0.queryText(SQLText(sql: statement)) }
    }
  }

  private func withFormer(_ tables: [String] = tables, _ body: (Fixture) async throws -> Void) async throws {
    try await FleetDatabase.with { database in
      let login = try await LocalServices.shared().createDatabase()
      let former = Pool(configuration: FleetDatabase.configuration(login), size: 1)
      let fixture = Fixture(database: database, former: former, name: login.name)
      do {
        for table in tables { try await fixture.former(table) }
        try await body(fixture)
        await former.close()
      } catch {
        await former.close()
        throw error
      }
    }
  }

  /// Imported, already there, in conflict, left out.
  private func counts(_ report: ImportReport, _ kind: ImportReport.Kind) -> [Int] {
    ImportReport.Outcome.allCases.map { report.count(kind, $0) }
  }

  @Test func importsWhatIsThereOnceAndChangesNothingTheSecondTime() async throws {
    try await withFormer { fixture in
      var trial = FleetImport.Selection()
      trial.isDryRun = true
      let foretold = try await fixture.load(trial)
      #expect(try await fixture.database.number("SELECT COUNT(*) AS n FROM clients") == 0, "a dry run changes nothing")
      let report = try await fixture.load()
      #expect(report == foretold, "and says what the real one does")
      #expect(counts(report, .client) == [2, 0, 0, 0])
      #expect(counts(report, .agent) == [3, 0, 0, 1])
      #expect(counts(report, .command) == [2, 0, 0, 0])
      #expect(report.problems.map(\.id) == ["a-3"] && report.remarks.contains { $0.contains("ami_id") })

      let client = try #require(try await fixture.database.clients.find(token: "token-one"))
      #expect(client.id == "c1" && client.isActive)
      let second = try #require(try await fixture.database.clients.find(token: "token-two"))
      #expect(second.id == "c2" && !second.isActive)
      let agent = try #require(try await fixture.database.agents.find(id: "a-1"))
      #expect(agent.transport == "http" && agent.queue == nil && agent.status == .offline && agent.mode == .spot)
      #expect(agent.lastHeartbeatAt == Timestamp(text: "2026-01-31T05:26:47Z") && agent.machine.instanceType == "c5.large")
      #expect(agent.configuration.terminateWaitSeconds == 120 && agent.configuration.enabled)
      let other = try #require(try await fixture.database.agents.find(id: "a-2"))
      #expect(!other.configuration.enabled && other.configuration.minSavingsPercent == 20.5)
      let command = try #require(try await fixture.database.commands.find(id: "k-1"))
      #expect(command.status == .pending && command.priority == 75 && command.source == "import")
      #expect(command.createdAt == Timestamp(text: "2026-01-31T05:26:47Z") && command.expiresAt == nil)
      #expect(command.parameters == #"{"instance_id":"i-1","target_mode":"ondemand","target_pool_id":7,"terminate_wait_seconds":60}"#)
      // Whoever is heard of next comes back: the row has the mark.
      #expect(try await fixture.database.number("SELECT COUNT(*) AS n FROM agents WHERE offline_since IS NOT NULL") == 3)

      let again = try await fixture.load()
      #expect(counts(again, .client) == [0, 2, 0, 0] && counts(again, .agent) == [0, 3, 0, 1] && counts(again, .command) == [0, 2, 0, 0])
      #expect(try await fixture.database.number("SELECT COUNT(*) AS n FROM agents") == 3)
      // What has happened here meanwhile is not undone.
      try await fixture.database.sql("UPDATE commands SET status = 'succeeded' WHERE id = 'k-1'")
      _ = try await fixture.load()
      #expect(try await fixture.database.commands.find(id: "k-1")?.status == .succeeded)
    }
  }

  @Test func aCommandThatWasExecutedThereSinceIsNotLeftToRunTwiceInSilence() async throws {
    try await withFormer { fixture in
      _ = try await fixture.load()
      try await fixture.former("UPDATE commands SET status = 'executed' WHERE id = 'k-2'")
      let report = try await fixture.load()
      #expect(counts(report, .command) == [0, 1, 1, 0])
      #expect(report.problems.first { $0.id == "k-2" }?.reason.contains("spotctl commands cancel k-2") == true)
      _ = try await fixture.database.commands.requestCancel(ids: ["k-2"])
      #expect(counts(try await fixture.load(), .command) == [0, 1, 0, 0])
    }
  }

  @Test func agentByAgentAndClientByClient() async throws {
    try await withFormer { fixture in
      var selection = FleetImport.Selection()
      selection.client = "One"
      selection.logicalAgentID = "web-1"
      let one = try await fixture.load(selection)
      #expect(counts(one, .client) == [1, 0, 0, 0] && counts(one, .agent) == [1, 0, 0, 0] && counts(one, .command) == [2, 0, 0, 0])
      selection.client = nil
      selection.logicalAgentID = "web-2"
      let other = try await fixture.load(selection)
      #expect(counts(other, .client) == [0, 1, 0, 0] && counts(other, .agent) == [1, 0, 0, 0] && counts(other, .command) == [0, 0, 0, 0])
      #expect(try await fixture.database.clients.find(id: "c2") == nil)
    }
  }

  @Test func whatStandsInTheWayIsNamedAndTheRestComes() async throws {
    try await withFormer { fixture in
      try await fixture.database.sql("INSERT INTO clients (id, name, client_token) VALUES ('x', 'X', 'token-two'), ('c3', 'Three', 'mine')")
      try await fixture.former("INSERT INTO clients VALUES ('c3', 'Three', NULL, 'theirs', 1, NULL), ('c4', 'Four', NULL, '', 1, NULL)")
      let holder = try await fixture.database.register("web-1", client: "c1")
      try await fixture.database.sql("INSERT INTO agents (id, client_id, logical_agent_id) VALUES ('a-2', 'c1', 'someone')")
      try await fixture.former("INSERT INTO agents (id, client_id, logical_agent_id) VALUES ('a-5', 'c1', 'good'), ('a-6', 'c1', 'b')")
      try await fixture.former("INSERT INTO commands (id, agent_id, command_type, status) VALUES ('k-5', 'a-5', '../sh', 'pending')")
      try await fixture.former("INSERT INTO commands (id, agent_id, command_type, status) VALUES ('k-6', 'a-5', 'switch', 'pending')")
      try await fixture.database.sql("INSERT INTO commands (id, agent_id, command_type) VALUES ('k-6', 'another', 'switch')")
      let report = try await fixture.load()
      #expect(
        counts(report, .client) == [1, 0, 3, 0] && counts(report, .agent) == [2, 0, 3, 1] && counts(report, .command) == [0, 0, 2, 0])
      let reasons = Dictionary(report.problems.map { ($0.id, $0.reason) }) { first, _ in first }
      #expect(reasons["c2"]?.contains("is that of the client 'x' here") == true)
      #expect(reasons["c3"]?.contains("with another token") == true)
      #expect(reasons["c4"]?.contains("token is empty") == true)
      #expect(reasons["a-1"]?.contains(holder.id) == true && reasons["a-2"]?.contains("'someone'") == true)
      #expect(reasons["a-4"]?.contains("its client 'c2' is not here") == true)
      #expect(reasons["k-5"]?.contains("command_type") == true && reasons["k-6"]?.contains("another") == true)
      #expect(!report.problems.contains { $0.reason.contains("token-two") || $0.reason.contains("theirs") }, "no token is shown")
      #expect(try await fixture.database.agents.find(id: "a-5")?.transport == "http")
    }
  }

  @Test func otherColumnsAreTakenAsTheyAreAndWhatIsMissingIsNamed() async throws {
    let tables = [
      "CREATE TABLE clients (id INT PRIMARY KEY, client_token TEXT, is_active BIT(1))",
      "CREATE TABLE agents (id CHAR(36) PRIMARY KEY, client_id INT, logical_agent_id TEXT)",
      "CREATE TABLE commands (id INT AUTO_INCREMENT PRIMARY KEY, agent_id CHAR(36), command_type TEXT, executed_at DATETIME NULL)",
      "INSERT INTO clients VALUES (9, 'nine', b'1'), (10, 'ten', b'0')",
      "INSERT INTO agents VALUES ('a-1', 9, 'web-1')",
      "INSERT INTO commands (agent_id, command_type, executed_at) VALUES ('a-1', 'switch', NULL), ('a-1', 'switch', NOW())",
    ]
    try await withFormer(tables) { fixture in
      let report = try await fixture.load()
      #expect(
        counts(report, .client) == [2, 0, 0, 0] && counts(report, .agent) == [1, 0, 0, 0] && counts(report, .command) == [1, 0, 0, 0])
      #expect(try await fixture.database.clients.find(id: "10")?.account.isActive == false)
      try await fixture.former("ALTER TABLE agents DROP COLUMN logical_agent_id")
      try await fixture.former("ALTER TABLE commands DROP COLUMN executed_at")
      do {
        _ = try await fixture.load()
        Issue.record("it cannot do without")
      } catch let error as FormerSystem.Missing {
        #expect("\(error)".contains("agents.logical_agent_id") && "\(error)".contains("commands.status"))
      }
    }
  }

  @Test func aLargeFleetComesInPages() async throws {
    try await withFormer { fixture in
      let rows = (1...1700).map { "('n-\($0)', 'c1', 'n-\($0)')" }.joined(separator: ", ")
      try await fixture.former("INSERT INTO agents (id, client_id, logical_agent_id) VALUES \(rows)")
      let report = try await fixture.load()
      #expect(report.count(.agent, .imported) == 1703)
      #expect(try await fixture.load().count(.agent, .alreadyThere) == 1703)
    }
  }
}
