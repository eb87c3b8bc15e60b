import FleetProtocol
import MySQL
import Server
import ServiceRuntime
import Testing

@testable import spotctl

/// Choosing agents with the tool, and what is done to those who are chosen.
@Suite struct SpotctlTargetTests {
  private func fill(_ desk: ToolDesk) async throws {
    for id in ["test", "other"] { _ = try await ClientStore(desk.pool).create(id: id, name: "Client \(id)", email: nil) }
    for name in ["web-1", "web-2", "db-1"] { _ = try await desk.register(name) }
    _ = try await desk.register("web-1", client: "other")
  }

  private func names(_ answer: ToolAnswer) throws -> [String] {
    try answer.rows.map { row in
      guard case .string(let name)? = row["logical_agent_id"] else { return "" }
      return name
    }
  }

  @Test func aListShowsWhomATargetHits() async throws {
    try await withDesk { desk in
      try await fill(desk)
      #expect(try names(try await desk.run("agents", "list", "--target", "name=web-*", "--json")) == ["web-1", "web-1", "web-2"])
      #expect(
        try names(try await desk.run("agents", "list", "--target", "name=web-*", "--client", "Client test", "--json")) == [
          "web-1", "web-2",
        ])
      #expect(try names(try await desk.run("agents", "list", "--target", "not name=db-1", "--status", "offline", "--json")).isEmpty)
      #expect(try await desk.run("agents", "list", "--target", "name=nobody").lines == ["No agents."])
      for line in [["agents", "tag", "db-1", "--target", "all", "a=1"], ["configure", "db-1", "--target", "all", "replica_count=1"]] {
        let both = try await desk.run(line)
        #expect(both.code == 2 && both.text.contains("give AGENT or --target, not both"), "\(both.text)")
      }
      let wrong = try await desk.run("agents", "list", "--target", "nome=web-1")
      #expect(wrong.code == 2 && wrong.text.contains("did you mean 'name'?") && wrong.lines.last == "  ^")
    }
  }

  @Test func aFleetOfAnySizeIsListedWhole() async throws {
    try await withDesk { desk in
      _ = try await desk.register("first")
      let count = 2 * AgentCommands.pageSize + 1
      try await desk.pool.withConnection { connection in
        for index in 0..<count {
          _ = try await connection.execute(
            "INSERT INTO agents (id, client_id, logical_agent_id, status) VALUES (UUID(), 'test', ?, ?)",
            [.text("a\(index)"), .text(index == 7 ? "asleep" : "offline")])
        }
      }
      let json = try await desk.run("agents", "list", "--json")
      #expect(try Set(names(json)).count == count, "all but the one that cannot be read")
      #expect(json.text.contains("agents.status is 'asleep'"))
      let text = try await desk.run("agents", "list", "--client", "test")
      #expect(text.code == 3, "there is no such client")
      let lines = try await desk.run("agents", "list").lines.filter { !$0.hasPrefix("spotctl: ") }
      #expect(lines.count == count + 1 && lines.count { $0.hasPrefix("ID ") } == 1)
    }
  }

  @Test func tagsAreGivenShownAndTakenBack() async throws {
    try await withDesk { desk in
      try await fill(desk)
      let dry = try await desk.run("agents", "tag", "--target", "name=web-*", "role=worker", "--dry-run", "--json")
      #expect(dry.code == 0 && dry.text.contains("3 agents are hit; nothing was changed"))
      #expect(try names(dry).count == 3)
      #expect(try await desk.run("agents", "list", "--target", "tag:role", "--json").rows.isEmpty)
      let tagged = try await desk.run("agents", "tag", "--target", "name=web-*", "role=worker", "team=", "--json")
      #expect(try tagged.rows == [["agents": 3, "changed": 3]])
      #expect(try await desk.run("agents", "tag", "db-1", "role=worker", "--json").rows == [["agents": 1, "changed": 1]])
      // What is changed is what the expression asks for: nobody is missed for that.
      #expect(
        try await desk.run("agents", "tag", "--target", "tag:role=worker", "role=boss", "--json").rows == [["agents": 4, "changed": 4]])
      let shown = try await desk.run("agents", "show", "web-2")
      #expect(shown.lines.contains { $0.hasPrefix("tags ") && $0.hasSuffix("role=boss team=") })
      let rows = try await desk.run("agents", "list", "--target", "name=web-2", "--json").rows
      #expect(rows.first?["tags"] == ["role": "boss", "team": ""] && rows.first?["operator_tags"] == ["role": "boss", "team": ""])
      #expect(try await desk.run("agents", "list", "--target", "name=web-2").lines.last?.hasSuffix(" 2") == true, "a table says how many")
      #expect(try await desk.run("agents", "tag", "web-2", "role-", "--json").rows == [["agents": 1, "changed": 1]])
      #expect(try names(try await desk.run("agents", "list", "--target", "not tag:role", "--json")) == ["web-2"])
      #expect(try await desk.run("agents", "tag", "web-1", "x=y").code == 2, "two agents have this name")
      #expect(try await desk.run("agents", "tag", "web-1", "x=y", "--client", "other").code == 0)
      for (words, code) in [
        (["--target", "name=nobody", "x=y"], 3), (["web-2", "x"], 2), (["web-2", "x=y", "x-"], 2), (["nobody", "x=y"], 3),
      ] {
        let answer = try await desk.run(["agents", "tag"] + words)
        #expect(answer.code == Int32(code), "\(words): \(answer.text)")
      }
    }
  }

  @Test func aConfigurationIsChangedForATargetAndTold() async throws {
    try await withDesk { desk in
      try await fill(desk)
      try await desk.pool.withConnection { connection in
        _ = try await connection.execute("UPDATE agents SET status = 'offline' WHERE logical_agent_id = 'db-1'")
      }
      let dry = try await desk.run("configure", "--target", "client=test", "replica_count=2", "--dry-run", "--json")
      #expect(try dry.code == 0 && names(dry) == ["db-1", "web-1", "web-2"])
      #expect(try await CommandStore(desk.pool).list().rows.isEmpty)
      let changed = try await desk.run("configure", "--target", "client=test", "replica_count=2", "--json")
      #expect(try changed.rows == [["agents": 3, "changed": 3, "told_now": 2, "told_when_they_connect": 1]])
      #expect(try await CommandStore(desk.pool).list().rows.map(\.commandType) == ["configure", "configure"])
      let row = try #require(try await desk.run("agents", "show", "db-1", "--json").rows.first)
      #expect(row["config"]?["replica_count"] == 2 && row["config_version"] == 1)
      let again = try await desk.run("configure", "db-1", "replica_count=2", "--json")
      #expect(try again.rows == [["agents": 1, "changed": 0, "told_now": 0, "told_when_they_connect": 0]])
      #expect(try await desk.run("configure", "db-1", "replica_count-", "--json").rows.first?["changed"] == 1)
      let unknown = try await desk.run("configure", "db-1", "replicas=2")
      #expect(unknown.code == 2 && AgentConfiguration.keys.allSatisfy { unknown.text.contains("  \($0.name) ") })
      #expect(try await desk.run("configure", "db-1", "replica_count=many").text.contains("a whole number from 0 to 1000"))
      #expect(try await desk.run("configure", "db-1").code == 2)
    }
  }
}
