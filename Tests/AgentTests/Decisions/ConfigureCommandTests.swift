import FleetProtocol
import Testing

@testable import Agent

@Suite struct ConfigureCommandTests {
  @Test func aVersionAndAConfigurationAreTaken() throws {
    let command = try ConfigureCommand(["version": 3, "config": ["enabled": false, "risk_threshold": 1]])
    var wanted = AgentConfiguration()
    wanted.enabled = false
    wanted.riskThreshold = 1
    #expect(command.version == 3 && command.configuration == wanted)
  }

  @Test func whatIsUnknownOrOfTheWrongTypeIsRefusedWithWhatIsKnown() throws {
    let cases: [(JSONValue, String)] = [
      ([:], "version must be a whole number from 1"), (["version": 0, "config": [:]], "version must be"),
      (["version": "3", "config": [:]], "version must be"), (["version": 3], "config must be an object with keys of auto_switch_enabled, "),
      (["version": 3, "config": []], "config must be an object"),
      (["version": 3, "config": ["enable": true]], "config has the unknown key enable; known are auto_switch_enabled, "),
      (["version": 3, "config": [:], "force": true], "parameters has the unknown key force; known are config, version"),
      (["version": 3, "config": ["enabled": "yes"]], "enabled is of the wrong type; it must be true or false"),
      (["version": 3, "config": ["replica_count": -1]], "replica_count is -1"), ("text", "parameters is no object"),
    ]
    for (parameters, text) in cases {
      let error = try #require(throws: MessageError.self) { try ConfigureCommand(parameters) }
      #expect("\(error)".contains(text), "\(error)")
    }
  }

  @Test func onlyANewerConfigurationIsApplied() {
    var applied = AppliedConfiguration()
    #expect(applied.version == nil && applied.status == .online)
    var disabled = AgentConfiguration()
    disabled.enabled = false
    let isFirstApplied = applied.apply(AgentConfiguration(), version: 0)
    let isSecondApplied = applied.apply(disabled, version: 2)
    #expect(isFirstApplied && isSecondApplied && applied.status == .disabled && applied.version == 2)
    let isSameApplied = applied.apply(AgentConfiguration(), version: 2)
    let isOlderApplied = applied.apply(AgentConfiguration(), version: 1)
    #expect(!isSameApplied && !isOlderApplied && applied.value == disabled)
  }
}
