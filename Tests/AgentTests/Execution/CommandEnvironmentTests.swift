import FleetProtocol
import Testing

@testable import Agent

@Suite struct CommandEnvironmentTests {
  private func variables(_ parameters: JSONValue) -> [String: String] {
    CommandEnvironment(home: nil, agentID: "a-1", logicalAgentID: "agent.1", clientID: "client-1").variables(
      for: Command(id: "c-1", agentID: "a-1", commandType: "switch", parameters: parameters, createdAt: .now()))
  }

  @Test func theVariablesAreTheseAndNoOthers() {
    #expect(
      variables([:]) == [
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/", "LANG": "C.UTF-8",
        "SPOT_OPTIMIZER_COMMAND_ID": "c-1", "SPOT_OPTIMIZER_COMMAND_TYPE": "switch", "SPOT_OPTIMIZER_AGENT_ID": "a-1",
        "SPOT_OPTIMIZER_LOGICAL_AGENT_ID": "agent.1", "SPOT_OPTIMIZER_CLIENT_ID": "client-1",
      ])
  }

  @Test func parametersThatAreOneValueAreVariables() {
    let variables = variables([
      "target_mode": "spot", "terminate_wait_seconds": 300, "ratio": 0.5, "dryRun": true, "nothing": nil, "list": [1], "object": ["a": 1],
    ])
    #expect(variables["SPOT_OPTIMIZER_PARAM_TARGET_MODE"] == "spot")
    #expect(variables["SPOT_OPTIMIZER_PARAM_TERMINATE_WAIT_SECONDS"] == "300")
    #expect(variables["SPOT_OPTIMIZER_PARAM_RATIO"] == "0.5" && variables["SPOT_OPTIMIZER_PARAM_DRYRUN"] == "true")
    #expect(variables.keys.count { $0.hasPrefix("SPOT_OPTIMIZER_PARAM_") } == 4)
  }

  @Test func whatWouldBeAGuessOrBreakTheEnvironmentIsLeftOut() {
    let variables = variables([
      "a b": "x", "a=b": "x", "": "x", "ä": "x", "a-b": "x", "same": "1", "SAME": "2", "nul": "a\u{0}b",
      "long": .string(String(repeating: "x", count: CommandEnvironment.longestValue + 1)),
    ])
    #expect(!variables.keys.contains { $0.hasPrefix("SPOT_OPTIMIZER_PARAM_") }, "\(variables.keys)")
  }
}
