import FleetProtocol
import MySQL
import Testing

@testable import Server

/// Whom a target hits in a real database.
@Suite struct TargetSelectionTests {
  private func fill(_ database: FleetDatabase) async throws {
    for (id, name) in [("c1", "Acme"), ("c2", "c1"), ("c3", "Acme")] {
      try await database.sql("INSERT INTO clients (id, name, client_token) VALUES ('\(id)', '\(name)', 't-\(id)')")
    }
    for (name, client) in [("web-1", "c1"), ("web-2", "c1"), ("web_3", "c2"), ("db%1", "c3"), ("lost", "gone")] {
      try await database.register(name, client: client)
    }
    try await database.sql(
      "UPDATE agents SET az = NULL, region = NULL, mode = 'ondemand', status = 'offline' WHERE logical_agent_id = 'lost'")
    try await database.sql("UPDATE agents SET agent_version = '5.0.0' WHERE logical_agent_id LIKE 'web%'")
    try await database.sql(
      """
      INSERT INTO agent_tags (agent_key, name, agent_value, operator_value) \
      SELECT agent_key, 'role', 'worker', IF(logical_agent_id = 'web-2', 'boss', NULL) FROM agents WHERE client_id = 'c1'
      """)
  }

  private func hits(_ target: String, _ database: FleetDatabase) async throws -> [String] {
    let expression = try TargetExpression(parsing: target)
    let agents = try await database.agents.select(expression, after: 0, limit: 100)
    #expect(try await database.agents.count(expression) == agents.count)
    return agents.map(\.logicalAgentID)
  }

  @Test func everyWordHitsWhomItSays() async throws {
    try await FleetDatabase.with { database in
      try await fill(database)
      let all = ["web-1", "web-2", "web_3", "db%1", "lost"]
      let id = try #require(try await database.agents.select(try TargetExpression(parsing: "name=lost"), after: 0, limit: 1).first).id
      for (target, expected) in [
        ("all", all), ("not all", []), ("name=web-1", ["web-1"]), ("name=web*", ["web-1", "web-2", "web_3"]), ("name=web_*", ["web_3"]),
        ("name=\"db%*\"", ["db%1"]), ("name=Web-1", []), ("name in (web-1, lost, \"db*\")", ["web-1", "db%1", "lost"]),
        ("status=offline", ["lost"]), ("status!=offline", ["web-1", "web-2", "web_3", "db%1"]),
        ("status=on*", ["web-1", "web-2", "web_3", "db%1"]),
        ("mode=ondemand", ["lost"]), ("region=us-east-1", ["web-1", "web-2", "web_3", "db%1"]), ("region!=us-east-1", ["lost"]),
        ("az=*", ["web-1", "web-2", "web_3", "db%1"]), ("az!=us-east-1a", ["lost"]), ("not az in (us-east-1a, b)", ["lost"]),
        ("not (az=us-east-1a and name=web-1)", ["web-2", "web_3", "db%1", "lost"]),
        ("instance_type=c5.large and az=us-east-1*", ["web-1", "web-2", "web_3", "db%1"]), ("version=5.0.0", ["web-1", "web-2", "web_3"]),
        ("version!=5.0.0", ["db%1", "lost"]), ("id=\(id)", ["lost"]), ("id in (\(id), x)", ["lost"]),
        // A client is meant by its id; by its name only where no client has that id.
        ("client=c1", ["web-1", "web-2"]), ("client=Acme", ["web-1", "web-2", "db%1"]), ("client=gone", ["lost"]),
        ("client!=c1", ["web_3", "db%1", "lost"]), ("client in (c2, gone)", ["web_3", "lost"]),
        ("tag:role", ["web-1", "web-2"]), ("tag:role=worker", ["web-1"]), ("tag:role=boss", ["web-2"]),
        ("tag:role!=worker", ["web-2", "web_3", "db%1", "lost"]), ("not tag:role", ["web_3", "db%1", "lost"]),
        ("tag:role in (boss, w*)", ["web-1", "web-2"]), ("tag:other", []),
        ("tag:role=worker and az=us-east-1a and not mode=ondemand", ["web-1"]),
        ("tag:role=boss or name=lost and mode=ondemand", ["web-2", "lost"]),
      ] {
        #expect(try await hits(target, database) == expected, "\(target)")
      }
    }
  }

  @Test func pagesFollowTheKeysAndMissNobody() async throws {
    try await FleetDatabase.with { database in
      for index in 0..<7 { try await database.register("a\(index)") }
      try await database.sql("UPDATE agents SET queue = NULL, status = 'strange' WHERE logical_agent_id = 'a3'")
      var names: [String] = []
      var key: Int64 = 0
      while true {
        let page = try await database.agents.select(.everyone, after: key, limit: 3)
        names += page.map(\.logicalAgentID)
        guard page.count == 3, let last = page.last else { break }
        key = last.key
      }
      #expect(names == (0..<7).map { "a\($0)" })
      let strange = try #require(try await database.agents.select(try TargetExpression(parsing: "name=a3"), after: 0, limit: 1).first)
      #expect(strange.status == "strange" && strange.queue == nil && strange.clientID == "c1")
    }
  }

  @Test func theLargestExpressionsAreNotTooMuchForTheDatabase() async throws {
    try await FleetDatabase.with { database in
      try await fill(database)
      let tags = (0..<TargetExpression.mostConditions).map { "tag:role=worker\($0 == 0 ? "" : "*")" }
      #expect(try await hits(tags.joined(separator: " and "), database) == ["web-1"])
      #expect(try await hits(tags.joined(separator: " or "), database) == ["web-1"])
      let clients = (0..<TargetExpression.mostConditions).map { "client=Acme\($0 == 0 ? "" : "*")" }
      #expect(try await hits(clients.joined(separator: " and "), database) == ["web-1", "web-2", "db%1"])
      let names = (0..<TargetExpression.mostValues - 1).map { "n\($0)" } + ["lost"]
      #expect(try await hits("name in (\(names.joined(separator: ", ")))", database) == ["lost"])
      let deep =
        String(repeating: "not (", count: TargetExpression.deepest / 2) + "name=lost"
        + String(repeating: ")", count: TargetExpression.deepest / 2)
      #expect(try await hits(deep, database) == ["lost"])
    }
  }
}
