import FleetProtocol
import MySQL
import ServiceRuntime
import Testing

@testable import Server

/// What agents say of themselves and what operators say of them.
@Suite struct TagTests {
  private func register(_ name: String, _ tags: [String: String]?, _ database: FleetDatabase, session: String = "s1") async throws -> Int64
  {
    var request = FleetDatabase.request(name, session: session, sentAt: try await database.now())
    request.tags = tags
    let address = try AgentAddress(clientID: "c1", logicalAgentID: name)
    _ = try await database.agents.register(request, from: address)
    return try #require(try await database.agents.find(address)).key
  }

  private func tags(_ key: Int64, _ database: FleetDatabase) async throws -> [AgentTag] {
    try await database.agents.tags(of: [key])[key] ?? []
  }

  @Test func aRegistrationStoresWhatTheAgentSaysAndForgetsWhatItNoLongerSays() async throws {
    try await FleetDatabase.with { database in
      let key = try await register("a1", ["role": "worker", "team": "ml", "empty": ""], database)
      #expect(
        try await tags(key, database) == [
          AgentTag(name: "empty", agentValue: "", operatorValue: nil), AgentTag(name: "role", agentValue: "worker", operatorValue: nil),
          AgentTag(name: "team", agentValue: "ml", operatorValue: nil),
        ])
      #expect(try await register("a1", ["role": "boss"], database, session: "s2") == key)
      #expect(try await tags(key, database) == [AgentTag(name: "role", agentValue: "boss", operatorValue: nil)])
      // An agent that has no tags, or is too old to say any, has none.
      #expect(try await register("a1", nil, database, session: "s3") == key)
      #expect(try await tags(key, database).isEmpty)
      #expect(try await database.sql("SELECT name FROM agent_tags").isEmpty)
    }
  }

  @Test func theOperatorsValueHoldsUntilItIsTakenBack() async throws {
    try await FleetDatabase.with { database in
      let key = try await register("a1", ["role": "worker"], database)
      let other = try await register("a2", nil, database)
      let set = try TagChanges(parsing: ["role=boss", "canary="])
      #expect(try await database.agents.tag(set, agents: [key, other]) == [key, other])
      #expect(try await database.agents.tag(set, agents: [key, other]).isEmpty, "nothing is another")
      #expect(try await tags(key, database).map(\.value) == ["", "boss"])
      // A registration does not touch it.
      _ = try await register("a1", ["role": "clerk"], database, session: "s2")
      #expect(try await tags(key, database).last == AgentTag(name: "role", agentValue: "clerk", operatorValue: "boss"))
      #expect(try await database.agents.tag(try TagChanges(parsing: ["role-", "unknown-"]), agents: [key, other]) == [key, other])
      #expect(try await tags(key, database).map(\.value) == ["", "clerk"])
      #expect(try await tags(other, database) == [AgentTag(name: "canary", agentValue: nil, operatorValue: "")])
      #expect(try await database.agents.tag(try TagChanges(parsing: ["canary-"]), agents: [key, other]) == [key, other])
      #expect(try await database.sql("SELECT name FROM agent_tags").count == 1)
    }
  }

  @Test func moreTagsThanAnAgentMayHaveChangeNothing() async throws {
    try await FleetDatabase.with { database in
      let key = try await register("a1", nil, database)
      let most = try TagChanges(parsing: (0..<MessageLimits.tags).map { "t\($0)=x" })
      #expect(try await database.agents.tag(most, agents: [key]) == [key])
      await #expect(throws: ChangeError.self) { try await database.agents.tag(try TagChanges(parsing: ["t0=y", "more=x"]), agents: [key]) }
      #expect(try await tags(key, database).count == MessageLimits.tags)
      #expect(try await tags(key, database).allSatisfy { $0.value == "x" })
    }
  }

  @Test func theTagsOfAgentsThatWereDeletedByHandGo() async throws {
    try await FleetDatabase.with { database in
      let gone = try await register("a1", ["role": "worker"], database)
      let kept = try await register("a2", ["role": "worker"], database)
      try await database.sql("DELETE FROM agents WHERE logical_agent_id = 'a1'")
      #expect(try await database.agents.select(try TargetExpression(parsing: "tag:role=worker"), after: 0, limit: 9).map(\.key) == [kept])
      let again = try await register("a1", nil, database)
      #expect(try await tags(again, database).isEmpty && again != gone, "a new agent has nothing of the one before")
      try await TagRetention(store: database.agents, logger: BenchLog().logger).prune()
      #expect(try await tags(gone, database).isEmpty)
      #expect(try await tags(kept, database).count == 1)
      #expect(try await database.agents.pruneTags() == 0)
    }
  }

  @Test func aChangeThatMeansNothingIsNamed() throws {
    let changes = try TagChanges(parsing: ["role=a=b", "team-", "x-y="])
    #expect(changes.values == ["role": "a=b", "x-y": ""] && changes.removed == ["team"])
    for (words, part) in [
      (["role"], "'role' is no change of a tag; write name=value, or name-"), (["a b=c"], "'a b=c': tags has the name"),
      (["=x"], "tags is empty"), (["-"], "tags is empty"), (["a=\(String(repeating: "x", count: 256))"], "255 are the most"),
      (["a=1", "a-"], "the tag 'a' is there twice"), (["a=\u{1b}[2J"], "control character"),
    ] {
      do throws(ChangeError) {
        Issue.record("\(words) was taken as \(try TagChanges(parsing: words))")
      } catch {
        #expect("\(error)".contains(part) && !"\(error)".contains("\u{1b}"), "\(words): \(error)")
      }
    }
  }
}
