import MySQL
import ServiceRuntime
import TestSupport
import Testing

@Suite struct PoolTests {
  @Test func neverMoreConnectionsAreOutThanThePoolIsLarge() async throws {
    try await withFreshPool(size: 3) { pool in
      let out = Lock((now: 0, most: 0))
      let ids = try await withThrowingTaskGroup(of: UInt.self) { group in
        for _ in 0..<40 {
          group.addTask {
            try await pool.withConnection { connection in
              out.withLock {
                $0.now += 1
                $0.most = max($0.most, $0.now)
              }
              _ = try await connection.query("SELECT SLEEP(0.005) AS slept")
              out.withLock { $0.now -= 1 }
              return await connection.serverID
            }
          }
        }
        return try await group.reduce(into: Set()) { $0.insert($1) }
      }
      #expect(out.withLock { $0.most } == 3)
      #expect(ids.count == 3)
      #expect(pool.connectionCount == 3)
    }
  }

  @Test func waitersAreServedInTheOrderInWhichTheyCame() async throws {
    try await withFreshPool(size: 1) { pool in
      let order = Lock<[Int]>([])
      try await withThrowingTaskGroup(of: Void.self) { group in
        try await pool.withConnection { _ in
          // Each comes when the one before it is in the queue.
          for number in 0..<5 {
            group.addTask { try await pool.withConnection { _ in order.withLock { $0.append(number) } } }
            try await eventually("waiter \(number) queues") { pool.waiterCount == number + 1 }
          }
        }
        try await group.waitForAll()
      }
      #expect(order.withLock { $0 } == [0, 1, 2, 3, 4])
    }
  }

  @Test func aCancelledWaiterLeavesTheQueueAndTheOthersStay() async throws {
    try await withFreshPool(size: 1, waitLimit: nil) { pool in
      try await pool.withConnection { _ in
        try await withThrowingTaskGroup(of: Void.self) { group in
          group.addTask { try await pool.withConnection { _ in } }
          try await eventually("it queues") { pool.waiterCount == 1 }
          group.cancelAll()
          await #expect(throws: CancellationError.self) { try await group.next() }
        }
        #expect(pool.waiterCount == 0)
      }
      #expect(try await pool.withConnection { try await $0.query("SELECT 1 AS one").count } == 1)
    }
  }

  @Test func aCancelledCallerGetsNoConnectionEvenIfOneIsFree() async throws {
    try await withFreshPool(size: 1) { pool in
      await withTaskGroup(of: Void.self) { group in
        group.cancelAll()
        group.addTask {
          await #expect(throws: CancellationError.self) { try await pool.withConnection { _ in Issue.record("it got one") } }
        }
      }
    }
  }

  @Test func waitingHasALimitWithAClearError() async throws {
    try await withFreshPool(size: 1, waitLimit: .milliseconds(50)) { pool in
      try await pool.withConnection { _ in
        let error = try await mysqlError { try await pool.withConnection { _ in } }
        #expect(error.kind == .poolTimeout)
        #expect(error.message.contains("0.05s"))
        #expect(pool.waiterCount == 0)
      }
      try await pool.withConnection { connection in try await connection.ping() }
    }
  }

  @Test func manyWaitersThatGiveUpAtOnceLoseNoConnection() async throws {
    try await withFreshPool(size: 2, waitLimit: .milliseconds(3)) { pool in
      await withTaskGroup(of: Void.self) { group in
        for _ in 0..<200 {
          group.addTask {
            // Whether one of them waited too long does not matter; what is left of the pool does.
            try? await pool.withConnection { connection in _ = try await connection.query("SELECT SLEEP(0.001) AS slept") }
          }
        }
      }
      #expect(pool.waiterCount == 0)
      // Both connections can still be had at the same time.
      try await pool.withConnection { first in
        try await pool.withConnection { second in
          try await first.ping()
          try await second.ping()
        }
      }
    }
  }

  @Test func aBodyMayChangeWhatItsCallerHas() async throws {
    try await withFreshPool(size: 1) { pool in
      var rows: [Row] = []
      try await pool.withConnection { connection in rows += try await connection.query("SELECT 1 AS one") }
      try await pool.transaction { connection in rows += try await connection.query("SELECT 1 AS one") }
      #expect(rows.count == 2)
    }
  }

  @Test func aKilledConnectionIsReplaced() async throws {
    try await withFreshPool(size: 2) { pool in
      let lost = try await mysqlError {
        try await pool.withConnection { victim in
          let id = await victim.serverID
          try await pool.withConnection { killer in _ = try await killer.executeText(SQLText(sql: "KILL CONNECTION \(id)")) }
          _ = try await victim.query("SELECT 1 AS one")
        }
      }
      #expect(lost.isConnectionLost)
      for _ in 0..<3 {
        try await pool.withConnection { first in
          try await pool.withConnection { second in
            try await first.ping()
            try await second.ping()
          }
        }
      }
      #expect(pool.connectionCount == 2)
    }
  }

  @Test func aConnectionThatDiedWhileIdleIsNoticedBeforeItIsLent() async throws {
    try await withFreshPool(size: 1, pingAfter: .zero) { pool in
      let id = try await pool.withConnection { await $0.serverID }
      let killer = try await Connection.open(pool.configuration)
      try await killer.executeText(SQLText(sql: "KILL CONNECTION \(id)"))
      await killer.close()
      let next = try await pool.withConnection { connection in
        _ = try await connection.query("SELECT 1 AS one")
        return await connection.serverID
      }
      #expect(next != id)
    }
  }

  @Test func anOpenTransactionIsRolledBackBeforeTheConnectionIsLentAgain() async throws {
    try await withFreshPool(size: 1, tables: ["CREATE TABLE left_open (n INT)"]) { pool in
      try await pool.withConnection { connection in
        try await connection.executeText("START TRANSACTION")
        try await connection.execute("INSERT INTO left_open VALUES (1)")
      }
      let rows = try await pool.withConnection { try await $0.query("SELECT n FROM left_open") }
      #expect(rows.isEmpty)
      #expect(pool.connectionCount == 1)
    }
  }

  @Test func whileTheServerCannotBeReachedEveryCallerLearnsItAtOnce() async throws {
    var configuration = try await freshDatabase()
    configuration.port = 1
    let pool = Pool(configuration: configuration, size: 2)
    let started = ContinuousClock.now
    let kinds = try await withThrowingTaskGroup(of: MySQLError.Kind.self) { group in
      for _ in 0..<20 {
        group.addTask { try await mysqlError { try await pool.withConnection { _ in } }.kind }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(kinds.count == 20 && kinds.allSatisfy { $0 == .connect })
    #expect(ContinuousClock.now - started < .seconds(10))
    #expect(pool.connectionCount == 0)
    await pool.close()
  }

  @Test func closingWaitsForConnectionsThatAreOutAndRefusesTheRest() async throws {
    let pool = Pool(configuration: try await freshDatabase(), size: 1)
    let events = Lock<[String]>([])
    try await withThrowingTaskGroup(of: Void.self) { group in
      try await pool.withConnection { connection in
        group.addTask {
          let error = try await mysqlError { try await pool.withConnection { _ in } }
          #expect(error.kind == .closed)
          events.withLock { $0.append("waiter refused") }
        }
        try await eventually("it queues") { pool.waiterCount == 1 }
        group.addTask {
          await pool.close()
          events.withLock { $0.append("closed") }
        }
        try await eventually("the waiter is refused") { events.withLock { $0 } == ["waiter refused"] }
        _ = try await connection.query("SELECT SLEEP(0.05) AS slept")
        #expect(events.withLock { $0 } == ["waiter refused"])
      }
      try await group.waitForAll()
    }
    #expect(events.withLock { $0 } == ["waiter refused", "closed"])
    #expect(try await mysqlError { try await pool.withConnection { _ in } }.kind == .closed)
    await pool.close()
  }
}
