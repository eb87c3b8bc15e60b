import FleetProtocol
import Foundation
import TestSupport
import Testing

@testable import Agent

extension AgentBehaviour {
  /// The agent's process has the client token in its environment and a credential in its memory; what it starts has neither.
  @Suite struct Secrets {
    @Test func aProgramOfTheAgentsProcessSeesNoSecretOfIt() async throws {
      let commands = try CommandsFixture()
      try commands.add("show", "tr '\\0' '\\n' </proc/$$/environ; tr '\\0' '\\n' </proc/$$/cmdline; cat")
      try await withPeer { handle in
        let environment = handle.environment(["SPOT_OPTIMIZER_COMMANDS_DIR": commands.path, "SOMETHING_ELSE": "of-the-agents-own"])
        try await withProgram("spot-optimizer-agent", environment: environment) { program in
          try await program.waitForLine(containing: "takes its commands from the queue")
          let command = await handle.peer.command("show")
          try await handle.peer.send(command)
          let result = try await eventualValue("its result") { await handle.peer.results(for: command.id).first }
          let shown = try #require(result.standardOutput)
          #expect(result.status == .succeeded && shown.contains("SPOT_OPTIMIZER_CLIENT_ID=\(handle.peer.clientID)\n"), "\(result)")
          #expect(shown.contains("SPOT_OPTIMIZER_COMMAND_ID=\(command.id)\n") && shown.contains("\n./show\n"))
          for secret in [handle.peer.token, "eyJ", "of-the-agents-own", "CLIENT_TOKEN"] { #expect(!shown.contains(secret)) }
        }
      }
    }
  }
}
