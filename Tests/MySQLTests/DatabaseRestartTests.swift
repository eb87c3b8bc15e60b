import MySQL
import TestSupport
import Testing

@Suite struct DatabaseRestartTests {
  @Test func aPoolOutlivesARestartOfTheServer() async throws {
    let services = try await LocalServices.separate()
    do {
      let pool = Pool(configuration: DatabaseConfiguration(try await services.createDatabase()), size: 2)
      try await pool.withConnection { first in
        try await pool.withConnection { second in
          try await first.ping()
          try await second.ping()
        }
      }
      try await services.stopDatabase()
      let started = ContinuousClock.now
      for _ in 0..<5 {
        let error = try await mysqlError { try await pool.withConnection { _ = try await $0.query("SELECT 1 AS one") } }
        #expect(error.kind == .connect || error.kind == .connectionLost)
      }
      #expect(ContinuousClock.now - started < .seconds(5))
      try await services.startDatabase()
      for _ in 0..<3 { try await pool.transaction { _ = try await $0.query("SELECT 1 AS one") } }
      await pool.close()
    } catch {
      try await services.stop()
      throw error
    }
    try await services.stop()
  }
}
