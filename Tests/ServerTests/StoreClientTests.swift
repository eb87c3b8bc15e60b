import FleetProtocol
import MySQL
import ServiceRuntime
import Testing

@testable import Server

@Suite struct StoreClientTests {
  @Test func aTokenMustMatchByteForByte() async throws {
    try await FleetDatabase.with { database in
      try await database.sql("INSERT INTO clients (id, name, client_token) VALUES ('c1', 'One', 'Token-abcdefgh-1234')")
      #expect(try await database.clients.find(token: "Token-abcdefgh-1234")?.id == "c1")
      // The first would fit a collation without case, the second one that pads.
      for wrong in ["token-abcdefgh-1234", "Token-abcdefgh-1234 ", "Token-abcdefgh-1234\u{0}", "Token-abcdefgh-123", "", "%"] {
        #expect(try await database.clients.find(token: wrong) == nil, "\(wrong)")
      }
      #expect(try await database.clients.find(token: String(repeating: "x", count: 100_000)) == nil)
    }
  }

  @Test func clientsAreMadeListedAndSwitched() async throws {
    try await FleetDatabase.with { database in
      let client = try await database.clients.create(id: "c1", name: "Ünï'cø\\de", email: nil)
      #expect(client.account.isActive && client.account.token.utf8.count == 36 && client.email == nil)
      #expect(try await database.clients.find(token: client.account.token) == client.account)
      #expect(try await database.clients.setActive(false, id: "c1"))
      #expect(try await database.clients.setActive(false, id: "c1"), "a row that is found counts, changed or not")
      #expect(try await database.clients.setActive(true, id: "nobody") == false)
      #expect(try await database.clients.list().map(\.account.isActive) == [false])
      await #expect {
        try await database.clients.create(id: "c1", name: "again", email: nil)
      } throws: {
        ($0 as? MySQLError)?.isDuplicateKey == true
      }
    }
  }

  @Test func accountsComeForExactIdsOnly() async throws {
    try await FleetDatabase.with { database in
      for id in ["c1", "c2", "C3"] { _ = try await database.clients.create(id: id, name: id, email: nil) }
      let found = try await database.clients.accounts(ids: ["c1", "c3", "c2 ", "nobody", "'; DROP TABLE clients; --"])
      #expect(found.map(\.id) == ["c1"])
      #expect(try await database.clients.accounts(ids: []).isEmpty)
    }
  }

  @Test func tokensAreRandomUUIDs() {
    let tokens = Set((0..<1000).map { _ in randomUUID() })
    #expect(tokens.count == 1000)
    for token in tokens {
      let parts = token.split(separator: "-").map(\.utf8.count)
      #expect(parts == [8, 4, 4, 4, 12] && token == token.lowercased() && Array(token)[14] == "4" && "89ab".contains(Array(token)[19]))
    }
  }
}
