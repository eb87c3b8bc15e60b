import MySQL
import TestSupport
import Testing

@Suite struct MigratorTests {
  private static let first = Migration(
    version: 1, name: "create agents",
    statements: [
      "CREATE TABLE agents (id INT PRIMARY KEY, name VARCHAR(50))", "INSERT INTO agents VALUES (1, 'it''s; one')",
    ])
  private static let second = Migration(version: 2, name: "add state", statements: ["ALTER TABLE agents ADD COLUMN state VARCHAR(20)"])

  @Test func migrationsRunOnceAndInOrder() async throws {
    try await withFreshPool(size: 1) { pool in
      let migrator = Migrator(pool)
      #expect(try await migrator.state([Self.first, Self.second]) == .behind([1, 2]))
      #expect(try await migrator.migrate([Self.first]) == [1])
      #expect(try await migrator.state([Self.first, Self.second]) == .behind([2]))
      #expect(try await migrator.migrate([Self.first, Self.second]) == [2])
      #expect(try await migrator.migrate([Self.first, Self.second]) == [])
      #expect(try await migrator.state([Self.first, Self.second]) == .current)
      let rows = try await pool.withConnection {
        try await $0.query("SELECT version, name, applied_at FROM schema_migrations ORDER BY version")
      }
      #expect(try rows.map { try $0.string("name") } == ["create agents", "add state"])
      #expect(try rows.allSatisfy { try $0.optionalTimestamp("applied_at") != nil })
    }
  }

  @Test func tenMigratorsAtOnceDoTheWorkOnce() async throws {
    try await withFreshPool(size: 1) { pool in
      let applied = try await withThrowingTaskGroup(of: [Int].self) { group in
        for _ in 0..<10 { group.addTask { try await Migrator(pool).migrate([Self.first, Self.second]) } }
        return try await group.reduce(into: []) { $0 += $1 }
      }
      #expect(applied.sorted() == [1, 2])
    }
  }

  @Test func aMigrationChangedAfterItsReleaseIsRefusedByVersion() async throws {
    try await withFreshPool(size: 1) { pool in
      let migrator = Migrator(pool)
      _ = try await migrator.migrate([Self.first])
      let altered = Migration(version: 1, name: "create agents", statements: ["CREATE TABLE agents (id BIGINT PRIMARY KEY)"])
      let longer = Migration(version: 1, name: "create agents", statements: Self.first.statements + ["SELECT 1"])
      for changed in [altered, longer] {
        let error = await #expect(throws: MigrationError.self) { try await migrator.migrate([changed, Self.second]) }
        #expect(error?.description.contains("migration 1 (create agents) was applied with other statements") == true)
        #expect(error?.description.contains("make the change a new migration") == true)
        guard case .changed(version: 1, checksum: let checksum) = try await migrator.state([changed]) else {
          Issue.record("the state does not tell of the change")
          return
        }
        #expect(checksum.count == 64)
      }
    }
  }

  @Test func aDatabaseNewerThanTheProgramIsRefusedWithBothVersions() async throws {
    try await withFreshPool(size: 1) { pool in
      let migrator = Migrator(pool)
      _ = try await migrator.migrate([Self.first, Self.second])
      #expect(try await migrator.state([Self.first]) == .ahead(version: 2, newestKnown: 1))
      let error = await #expect(throws: MigrationError.self) { try await migrator.migrate([Self.first]) }
      #expect(error?.description.contains("has version 2, this program knows versions up to 1 only; start the newer program") == true)
    }
  }

  @Test func aMigrationThatFailedInTheMiddleGoesOnWhereItStopped() async throws {
    try await withFreshPool(size: 1) { pool in
      let migrator = Migrator(pool)
      let broken = Migration(version: 1, name: "create", statements: ["CREATE TABLE half (n INT)", "ALTER TABLE missing ADD COLUMN a INT"])
      let error = await #expect(throws: MigrationError.self) { try await migrator.migrate([broken]) }
      #expect(error?.description.contains("migration 1 (create) stopped at its statement 2") == true)
      #expect(error?.description.contains("goes on with that statement") == true)
      #expect(try await migrator.state([broken]) == .behind([1]))

      // What did not run may be corrected; what ran may not.
      let rewritten = Migration(version: 1, name: "create", statements: ["CREATE TABLE other (n INT)"])
      guard case .changed = try await migrator.state([rewritten]) else {
        Issue.record("a statement that ran was changed unnoticed")
        return
      }
      let repaired = Migration(version: 1, name: "create", statements: ["CREATE TABLE half (n INT)", "ALTER TABLE half ADD COLUMN a INT"])
      #expect(try await migrator.migrate([repaired]) == [1])
      #expect(try await migrator.state([repaired]) == .current)
    }
  }

  @Test func aStatementThatRanAndWasNotRecordedIsNotInTheWay() async throws {
    let second = Migration(
      version: 2, name: "add state",
      statements: [
        "ALTER TABLE agents ADD COLUMN state VARCHAR(20), ADD KEY agents_state (state)", "INSERT INTO agents VALUES (2, 'two', 'new')",
      ])
    try await withFreshPool(size: 1) { pool in
      let migrator = Migrator(pool)
      _ = try await migrator.migrate([Self.first])
      let third = Migration(version: 3, name: "drop a key", statements: ["ALTER TABLE agents DROP KEY agents_state"])
      for (number, migration) in [second, third].enumerated() {
        try await pool.withConnection { connection in
          _ = try await connection.execute(migration.statements[0])
          _ = try await connection.execute(
            "INSERT INTO schema_migrations (version, name, checksum, statements_done) VALUES (?, ?, SHA2('', 256), 0)",
            [.int(Int64(migration.version)), .text(migration.name)])
        }
        let known = [Self.first] + [second, third].prefix(number + 1)
        #expect(try await migrator.migrate(known) == [migration.version])
        #expect(try await migrator.state(known) == .current)
      }
      // What was not run before is not taken for done: a column that somebody else made, or a key that he removed, stops the migration.
      for statement in ["ALTER TABLE agents ADD COLUMN state VARCHAR(20)", "ALTER TABLE agents DROP KEY agents_state"] {
        let fourth = Migration(version: 4, name: "again", statements: [statement])
        await #expect(throws: MigrationError.self) { try await migrator.migrate([Self.first, second, third, fourth]) }
        try await pool.withConnection { _ = try await $0.execute("DELETE FROM schema_migrations WHERE version = 4") }
      }
    }
  }

  @Test func aMigrationThatCameLateIsRefused() async throws {
    try await withFreshPool(size: 1) { pool in
      let migrator = Migrator(pool)
      let third = Migration(version: 3, name: "third", statements: ["CREATE TABLE third (n INT)"])
      _ = try await migrator.migrate([Self.first, third])
      #expect(try await migrator.state([Self.first, Self.second, third]) == .skipped(version: 2, applied: 3))
      await #expect(throws: MigrationError.self) { try await migrator.migrate([Self.first, Self.second, third]) }
    }
  }

  @Test func aListOutOfOrderIsRefusedBeforeAnythingRuns() async throws {
    try await withFreshPool(size: 1) { pool in
      for list in [[Self.second, Self.first], [Self.first, Self.first], [Migration(version: 0, name: "none", statements: [])]] {
        let error = await #expect(throws: MigrationError.self) { try await Migrator(pool).migrate(list) }
        #expect(error?.description.contains("out of order") == true)
      }
      let state = try await Migrator(pool).state([Self.first])
      #expect(state == .behind([1]))
    }
  }

  @Test func waitingForAnotherMigratorHasAnEnd() async throws {
    try await withFreshPool(size: 1) { pool in
      try await pool.withConnection { holder in
        _ = try await holder.queryText("SELECT GET_LOCK(CONCAT('migrate.', LEFT(SHA2(DATABASE(), 256), 40)), 0) AS locked")
        let error = await #expect(throws: MigrationError.self) {
          try await Migrator(pool, lockTimeout: .seconds(1)).migrate([Self.first])
        }
        #expect(error?.description.contains("another program has been migrating the schema for 1.0s") == true)
        _ = try await holder.queryText("SELECT RELEASE_ALL_LOCKS() AS released")
      }
      #expect(try await Migrator(pool).migrate([Self.first]) == [1])
    }
  }
}
