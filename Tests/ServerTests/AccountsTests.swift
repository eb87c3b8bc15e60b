import FleetProtocol
import ServiceRuntime
import TestSupport
import Testing

@testable import Server

@Suite struct AccountsTests {
  private static func account(_ id: String) -> Account { Account(id: id, name: id, token: "token-of-\(id)-0123456789", isActive: true) }

  @Test func entriesAreReadOnceWithinTheirLifetimeAlsoThoseThatDoNotExist() async throws {
    let loads = Lock<[Set<String>]>([])
    let cache = AccountCache(lifetime: .seconds(60)) { ids in
      loads.withLock { $0.append(ids) }
      return ids.filter { $0 != "nobody" }.map(Self.account)
    }
    #expect(try await cache.accounts(for: ["a", "nobody"]) == ["a": Self.account("a")])
    #expect(try await cache.accounts(for: ["a", "nobody", "b"]).keys.sorted() == ["a", "b"])
    #expect(loads.withLock { $0 } == [["a", "nobody"], ["b"]])
  }

  @Test func anEntryIsReadAgainAfterItsLifetime() async throws {
    let loads = Lock(0)
    let cache = AccountCache(lifetime: .zero) { ids in
      loads.withLock { $0 += 1 }
      return ids.map(Self.account)
    }
    for _ in 0..<3 { #expect(try await cache.accounts(for: ["a"]).count == 1) }
    #expect(loads.withLock { $0 } == 3)
  }

  @Test func callersOfOneIdShareOneLoadAndAFailureIsNobodyElses() async throws {
    struct Broken: Error {}
    let loads = Lock(0)
    let gate = Lock(false)
    let cache = AccountCache(lifetime: .seconds(60)) { ids in
      let number = loads.withLock { loads in
        loads += 1
        return loads
      }
      if number == 1 {
        try await eventually("the gate is open") { gate.withLock { $0 } }
        throw Broken()
      }
      return ids.map(Self.account)
    }
    try await withThrowingTaskGroup(of: Bool.self) { group in
      group.addTask {
        do {
          _ = try await cache.accounts(for: ["a"])
          return false
        } catch is Broken {
          return true
        }
      }
      try await eventually("the first load has begun") { loads.withLock { $0 } == 1 }
      for _ in 0..<10 {
        group.addTask { try await cache.accounts(for: ["a"]).count == 1 }
      }
      gate.withLock { $0 = true }
      for try await good in group { #expect(good) }
    }
    #expect(loads.withLock { $0 } == 2)
  }

  @Test func theCacheIsBounded() async throws {
    let cache = AccountCache(lifetime: .seconds(60), capacity: 10) { $0.map(Self.account) }
    #expect(try await cache.accounts(for: Set((0..<1000).map(String.init))).count == 1000)
    for number in 0..<100 { #expect(try await cache.accounts(for: ["x\(number)"]).count == 1) }
    #expect(await cache.entryCount <= 10)
  }

  @Test func aDisabledClientAndANewTokenAreSeenWithinFiveSeconds() async throws {
    #expect(AccountCache.defaultLifetime < .seconds(5))
    try await FleetDatabase.with { database in
      let cache = AccountCache(database.clients)
      let client = try await database.clients.create(id: "c1", name: "One", email: nil)
      #expect(try await cache.accounts(for: ["c1", "c2"]) == ["c1": client.account])
      try await database.sql("UPDATE clients SET is_active = 0, client_token = 'another-token-0123456789'")
      try await eventually("the change is seen") {
        let account = try await cache.accounts(for: ["c1"])["c1"]
        return account?.isActive == false && account?.token == "another-token-0123456789"
      }
    }
  }

  // MARK: - Refusals

  @Test func eachSourceHasItsShareAndTheRestIsCounted() {
    var limiter = RefusalLimiter(perSource: 2, altogether: 100, window: .seconds(60))
    let start = ContinuousClock.now
    #expect(
      (0..<5).map { _ in limiter.decide("a", at: start) } == [
        .write(suppressed: 0), .write(suppressed: 0), .suppress, .suppress, .suppress,
      ])
    #expect(limiter.decide("b", at: start) == .write(suppressed: 0))
    #expect(limiter.decide("a", at: start + .seconds(59)) == .suppress)
    #expect(limiter.decide("a", at: start + .seconds(60)) == .write(suppressed: 4))
    #expect(limiter.decide("a", at: start + .seconds(61)) == .write(suppressed: 0))
  }

  @Test func anAttackerWithManySourcesFillsNeitherTableNorMemory() {
    var limiter = RefusalLimiter(perSource: 1, altogether: 60, window: .seconds(60), mostSources: 100)
    let start = ContinuousClock.now
    let written = (0..<10_000).filter { limiter.decide("source \($0)", at: start) != .suppress }
    #expect(written.count == 60 && limiter.sourceCount <= 101)
    for window in 1..<10 { _ = limiter.decide("later", at: start + .seconds(60 * window)) }
    #expect(limiter.sourceCount <= 2)
  }

  @Test func aRefusalIsALineAndAnEventAndRepetitionsAreCounted() async throws {
    try await FleetDatabase.with { database in
      let lines = Lock<[String]>([])
      let recorder = AuthFailureRecorder(database.events, logger: Logger(level: .info) { line in lines.withLock { $0.append(line) } })
      let failure = AuthFailure(
        status: 401, reason: "Invalid client token", source: "heartbeat.c1.a1", clientID: "c1", token: .expected("abc12345-0123456789-xyz9")
      )
      for _ in 0..<3 { await recorder.record(failure) }
      let text = "Invalid client token attempt - token: not abc12345...xyz9, endpoint: heartbeat.c1.a1"
      #expect(lines.withLock { $0.filter { $0.contains(text) }.count } == 3)
      let rows = try await database.sql("SELECT * FROM system_events")
      #expect(rows.count == 1)
      #expect(try rows[0].string("event_type") == "auth_failed" && rows[0].string("message") == text)
      #expect(try rows[0].string("client_id") == "c1" && rows[0].string("severity") == "warning")
      #expect(try !rows[0].string("metadata").contains("0123456789"))
    }
  }

  @Test func secretsAreComparedWhole() {
    #expect(isSameSecret("abc", "abc"))
    for (stored, given) in [("abc", "abd"), ("abc", "ab"), ("ab", "abc"), ("", "a"), ("abcabc", "abc"), ("abc", "abcabc"), ("a", "")] {
      #expect(!isSameSecret(stored, given))
    }
  }
}
