import MySQL
import ServiceRuntime
import Testing

@testable import Server

/// The operator's guide works on our tables word for word.
@Suite struct SchemaTests {
  @Test func everyStatementOfTheGuideRuns() async throws {
    try await FleetDatabase.with { database in
      try await database.sql(
        """
        INSERT INTO clients (id, name, email, client_token, is_active) VALUES (UUID(), 'My Company', 'admin@company.com', 'YOUR_TOKEN', 1);
        """)
      #expect(try await database.sql("SELECT id, name, is_active FROM clients WHERE client_token = 'YOUR_TOKEN';").count == 1)
      try await database.sql("UPDATE clients SET is_active = 0")
      try await database.sql("UPDATE clients SET is_active = 1 WHERE client_token = 'YOUR_TOKEN';")
      let client = try #require(try await database.clients.find(token: "YOUR_TOKEN"))
      #expect(client.isActive)
      #expect(try await database.sql("SELECT * FROM clients WHERE client_token = 'YOUR_TOKEN';").count == 1)

      try await database.register("YOUR_LOGICAL_ID", client: "YOUR_CLIENT_ID")
      #expect(try await database.sql("SELECT * FROM agents WHERE logical_agent_id = 'YOUR_LOGICAL_ID';").count == 1)
      let status = try await database.sql(
        """
        SELECT
            id,
            logical_agent_id,
            status,
            instance_id,
            last_heartbeat_at,
            TIMESTAMPDIFF(SECOND, last_heartbeat_at, NOW()) as seconds_since_heartbeat
        FROM agents
        WHERE client_id = 'YOUR_CLIENT_ID'
        ORDER BY last_heartbeat_at DESC;
        """)
      #expect(try status.first?.int("seconds_since_heartbeat") ?? 99 < 60)

      try await database.events.insert(SystemEvent("auth_failed", severity: .warning, message: "wrong"))
      let events = try await database.sql(
        """
        SELECT * FROM system_events
        WHERE event_type = 'auth_failed'
        ORDER BY timestamp DESC
        LIMIT 20;
        """)
      #expect(try events.first?.string("message") == "wrong")

      try await database.sql("DELETE FROM agents WHERE logical_agent_id = 'YOUR_LOGICAL_ID';")
      #expect(try await database.sql("SELECT 1;").count == 1)
      #expect(try await database.agents.list().rows.isEmpty)
    }
  }

  @Test func migratingTwiceDoesNothingTheSecondTime() async throws {
    try await FleetDatabase.with { database async throws in
      #expect(try await Migrator(database.pool).migrate(Schema.migrations).isEmpty)
      #expect(try await Migrator(database.pool).state(Schema.migrations) == .current)
    }
  }

  @Test func aCommandWrittenByBareSQLNeedsAgentAndTypeOnly() async throws {
    try await FleetDatabase.with { database in
      let agent = try await database.register("a1")
      try await database.sql("INSERT INTO commands (agent_id, command_type) VALUES ('\(agent.id)', 'ping')")
      let command = try #require(try await database.commands.list().rows.first)
      #expect(command.status == .pending && command.priority == 25 && command.id.utf8.count == 36)
    }
  }
}
