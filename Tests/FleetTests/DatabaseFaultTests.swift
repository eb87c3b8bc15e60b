import Foundation
import MySQL
import Server
import TestSupport
import Testing

/// A database whose schema is not this program's.
@Suite struct DatabaseFaultTests {
  @Test func aNewerSchemaStopsTheServerWithBothVersionsAndTheRemedy() async throws {
    try await withFleet { fleet in
      try await fleet.startServer().program.stop()
      try await fleet.execute(
        "INSERT INTO schema_migrations (version, name, checksum, statements_done, applied_at) VALUES (99, 'later', '', 1, NOW())")
      let server = try await fleet.run("spot-optimizer-server", [], fleet.serverEnvironment())
      #expect(try await server.waitForExit() == .exited(1))
      let line = try #require(server.lines.first { $0.contains("ERROR - ") })
      #expect(
        line.contains("version 99") && line.contains("up to \(Schema.migrations.last?.version ?? 0) only")
          && line.contains("start the newer program"), "\(line)")
    }
  }

  @Test func aMigrationAppliedWithOtherStatementsStopsTheServerWithItsVersionAndTheRemedy() async throws {
    try await withFleet { fleet in
      try await fleet.startServer().program.stop()
      try await fleet.execute("UPDATE schema_migrations SET checksum = REPEAT('0', 64) WHERE version = 1")
      let server = try await fleet.run("spot-optimizer-server", [], fleet.serverEnvironment())
      #expect(try await server.waitForExit() == .exited(1))
      let line = try #require(server.lines.first { $0.contains("ERROR - ") })
      #expect(line.contains("migration 1 ") && line.contains("other statements") && line.contains("new migration"), "\(line)")
    }
  }

  @Test func aDatabaseThatRefusesTheLoginOrIsMissingIsToldWithTheVariableToChange() async throws {
    try await withFleet { fleet in
      let wrongs = [("DB_PASSWORD", "s3cr3t-but-wrong"), ("DB_NAME", "no_such_database")]
      for (variable, value) in wrongs {
        let server = try await fleet.run("spot-optimizer-server", [], fleet.serverEnvironment([variable: value]))
        let line = try await server.waitForLine(containing: "ERROR - ")
        #expect(line.contains(variable == "DB_NAME" ? value : fleet.database.user), "\(line)")
        #expect(!server.output.contains("s3cr3t"))
        try await server.stop()
      }
    }
  }
}
