import FleetProtocol
import MySQL
import ServiceRuntime
import TestSupport
import Testing

/// `spotctl migrate import` as an operator runs it.
@Suite struct SpotctlImportTests {
  @Test func theFormerSystemComesOverAndConflictsEndInAFailure() async throws {
    try await withDesk { desk in
      let login = try await LocalServices.shared().createDatabase()
      let configuration = DatabaseConfiguration(
        host: login.host, port: UInt16(login.port), user: login.user, password: login.password, database: login.name)
      try await execute(
        [
          "CREATE TABLE clients (id CHAR(36) PRIMARY KEY, name VARCHAR(255), client_token VARCHAR(255), is_active TINYINT(1))",
          "CREATE TABLE agents (id CHAR(36) PRIMARY KEY, client_id CHAR(36), logical_agent_id VARCHAR(255), status VARCHAR(20))",
          "CREATE TABLE commands (id CHAR(36) PRIMARY KEY, agent_id CHAR(36), command_type VARCHAR(50), status VARCHAR(20))",
          "INSERT INTO clients VALUES ('c1', 'One', 'secret-token-of-one', 1)",
          "INSERT INTO agents VALUES ('a-1', 'c1', 'web-1', 'online')",
          "INSERT INTO commands VALUES ('k-1', 'a-1', 'switch', 'pending')",
        ], configuration)
      #expect(try await desk.run("migrate").text.contains("Nothing to do"), "the shorter name is a command of its own")
      let unnamed = try await desk.run("migrate", "import")
      #expect(unnamed.code == 2 && unnamed.text.contains("SPOT_OPTIMIZER_IMPORT_DB_NAME"))
      let own = try await desk.run("migrate", "import", "--from-database", desk.environment["DB_NAME"] ?? "")
      #expect(own.code == 2 && own.text.contains("cannot be this server's own"))
      let source = [
        "SPOT_OPTIMIZER_IMPORT_DB_NAME": login.name, "SPOT_OPTIMIZER_IMPORT_DB_HOST": login.host,
        "SPOT_OPTIMIZER_IMPORT_DB_PORT": String(login.port), "SPOT_OPTIMIZER_IMPORT_DB_USER": login.user,
        "SPOT_OPTIMIZER_IMPORT_DB_PASSWORD": login.password,
      ]
      let trial = try await desk.run("migrate", "import", "--dry-run", "--json", changes: source)
      #expect(trial.code == 0, "\(trial.text)")
      #expect(try await desk.run("clients", "list", "--json").rows.isEmpty)
      let done = try await desk.run("migrate", "import", "--json", changes: source)
      #expect(done.code == 0)
      let imported = try done.rows.filter { $0["outcome"] == "imported" }
      #expect(imported.map { $0["kind"] } == ["client", "agent", "command"] && imported.allSatisfy { $0["count"] == 1 })
      #expect(try await desk.run("agents", "show", "web-1", "--json").rows.first?["transport"] == "http")
      try await execute(["UPDATE clients SET client_token = 'another-secret-token'"], configuration)
      let conflict = try await desk.run("migrate", "import", changes: source)
      #expect(conflict.code == 1 && conflict.text.contains("2 rows are in conflict") && conflict.text.contains("another token"))
      #expect(!conflict.text.contains("secret-token") && !conflict.text.contains(login.password))
      #expect(try await desk.run("migrate", "--help").text.contains("spotctl migrate import"))
    }
  }

  private func execute(_ statements: [String], _ configuration: DatabaseConfiguration) async throws {
    let pool = Pool(configuration: configuration, size: 1)
    do {
      for statement in statements { _ = try await pool.withConnection { try await $0.execute(statement) } }
      await pool.close()
    } catch {
      await pool.close()
      throw error
    }
  }
}
