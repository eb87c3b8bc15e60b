import FleetProtocol
import ServiceRuntime
import Testing

@testable import Server

/// What a reaction means, and what is refused before it is stored: without a database.
@Suite struct ReactionPlanTests {
  private func reaction(
    on type: String = "agent.interruption", target: String = "self", parameters: String = "{}", condition: String? = nil
  ) -> Reaction {
    var reaction = Reaction(name: "r", on: type, target: target, run: "switch")
    reaction.parameters = parameters
    reaction.agentCondition = condition
    return reaction
  }

  private func problem(_ reaction: Reaction) -> String {
    do throws(ReactionProblem) {
      _ = try ReactionPlan(reaction)
      return "none"
    } catch {
      return "\(error)"
    }
  }

  private func values(_ data: JSONValue, type: EventType = .agentInterruption) -> PlaceholderValues {
    PlaceholderValues(eventID: "e-1", type: type, data: data)
  }

  @Test func everyPlaceholderIsFilledAndWhatIsNotKnownIsEmpty() throws {
    let names = Placeholder.allCases.map { "\"\($0)\":\"<{\($0.rawValue)}>\"" }.joined(separator: ",")
    let plan = try ReactionPlan(reaction(parameters: "{\(names),\"n\":7,\"deep\":[{\"{agent.id}\":\"{agent.id}{agent.id}\"}]}"))
    let data: JSONValue = [
      "logical_agent_id": "web-1", "agent_id": "a-1", "instance_id": "i-1", "az": "z-1", "region": "r-1", "notice_time": "t-1",
      "action": "stop",
    ]
    #expect(
      try plan.parameters(values(data)) == [
        "logicalAgentID": "<web-1>", "agentID": "<a-1>", "instanceID": "<i-1>", "az": "<z-1>", "region": "<r-1>", "noticeTime": "<t-1>",
        "noticeAction": "<stop>", "eventID": "<e-1>", "eventType": "<agent.interruption>", "n": 7, "deep": [["{agent.id}": "a-1a-1"]],
      ])
    #expect(try plan.parameters(values(["agent_id": "a-1"]))["az"] == "<>")
  }

  @Test func aHostileValueStaysAValue() throws {
    let plan = try ReactionPlan(
      reaction(
        target: "tag:replica-of={agent.logical_agent_id} and not az='{agent.az}'", parameters: #"{"from":"{agent.logical_agent_id}"}"#))
    for hostile in [
      "*", "web-*", "x' or '1'='1", "\" or all or name=\"", "x) or (all", "{agent.id}", "a, b", "'; DROP TABLE agents; --", "\\", "%", "_",
      "not",
      "in", "", " ",
    ] {
      let filled = values(["logical_agent_id": .string(hostile), "agent_id": "a-1", "az": "z"])
      let expected = TargetExpression(
        .every([
          .equals(.tag("replica-of"), TargetExpression.Operand(hostile)), .not(.equals(.property(.az), TargetExpression.Operand("z"))),
        ]))
      #expect(try plan.target(filled) == expected)
      #expect(try plan.parameters(filled) == ["from": .string(hostile)])
    }
  }

  @Test func aPrefixOfAPlaceholderIsAPrefixOfTheValue() throws {
    let plan = try ReactionPlan(reaction(target: "name={agent.logical_agent_id}*"))
    #expect(
      try plan.target(values(["logical_agent_id": "a*"]))
        == TargetExpression(.equals(.property(.name), TargetExpression.Operand("a*", isPrefix: true))))
  }

  @Test func bracesThatAreNoPlaceholdersStandInJSONAndNotInTargets() throws {
    let text = #"{"script":"if (x) { y } else {}","nested":"{\"a\":{\"b\":1}}","open":"{agent.id"}"#
    let plan = try ReactionPlan(reaction(parameters: text))
    #expect(try plan.parameters(values([:])) == (try WireCoding.decodeJSON(JSONValue.self, from: Array(text.utf8))))
    for target in ["name={agent.id", "name={agent.id and az=x", "name='{'"] {
      #expect(problem(reaction(target: target)).contains("whose closing } is missing; there are: {agent.logical_agent_id}"), "\(target)")
    }
    for target in ["name=agent.id}", "name={}", "name='{agent id}'"] {
      #expect(problem(reaction(target: target)).contains("which is no placeholder of agent.interruption"), "\(target)")
    }
  }

  @Test func whatCannotBeCarriedOutIsRefusedWithTheRemedy() {
    #expect(problem(reaction()) == "none")
    #expect(problem(reaction(target: "name={agent.hostname}")).contains("'{agent.hostname}'"))
    #expect(problem(reaction(target: "name={agent.hostname}")).contains("{agent.logical_agent_id}"), "it lists those that there are")
    #expect(problem(reaction(parameters: #"{"a":"{who.knows}"}"#)).contains("parameters has '{who.knows}'"))
    #expect(problem(reaction(on: "agent.offline", parameters: #"{"a":"{notice.time}"}"#)).contains("no placeholder of agent.offline"))
    #expect(problem(reaction(on: "command.failed")).contains("it must be one of agent.registered"))
    #expect(problem(reaction(on: "agent.*")).contains("it must be one of"))
    #expect(problem(reaction(target: "nme=x")).contains("did you mean"))
    #expect(problem(reaction(condition: "az=")).contains("agent_condition cannot be understood"))
    let condition = problem(reaction(condition: "az={agent.az}"))
    #expect(condition.contains("agent_condition") && condition.contains("only --on-agents of a reaction and the texts of its JSON have"))
    #expect(problem(reaction(parameters: "[1]")).contains("is no object"))
    #expect(problem(reaction(parameters: "{")).contains("are not JSON"))
    for (path, name) in [("limit", "limit_per_minute"), ("priority", "priority"), ("within", "deliver_within_seconds"), ("name", "name")] {
      var wrong = reaction()
      switch path {
      case "limit": wrong.limitPerMinute = 0
      case "priority": wrong.priority = 256
      case "within": wrong.deliverWithinSeconds = 0
      default: wrong.name = "a b"
      }
      #expect(problem(wrong).hasPrefix(name), "\(problem(wrong))")
    }
    var nothing = reaction()
    nothing.commandType = ""
    #expect(problem(nothing).hasPrefix("command_type"))
    nothing.commandType = "../switch"
    #expect(problem(nothing).hasPrefix("command_type is '../switch', a path"))
  }

  @Test func aReactionOfOneClientIsNotConcernedWithOthers() throws {
    var mine = reaction()
    mine.clientID = "c1"
    let plan = try ReactionPlan(mine)
    #expect(plan.concerns("agent.interruption", clientID: "c1"))
    #expect(!plan.concerns("agent.interruption", clientID: "c2") && !plan.concerns("agent.rebalance", clientID: "c1"))
    #expect(try ReactionPlan(reaction()).concerns("agent.interruption", clientID: "c2"))
  }
}
