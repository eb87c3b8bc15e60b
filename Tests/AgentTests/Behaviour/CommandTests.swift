import FleetProtocol
import Foundation
import ServiceRuntime
import TestSupport
import Testing

@testable import Agent

extension AgentBehaviour {
  @Suite struct Commands {
    private func withServedAgent(_ body: (TestPeer, LogCapture) async throws -> Void) async throws {
      try await withPeer { handle in
        try await withAgent(handle.environment()) { log in
          try await log.wait(for: "takes its commands from the queue")
          try await body(handle.peer, log)
        }
        #expect(await handle.peer.problems == [])
      }
    }

    private func result(of command: Command, from peer: TestPeer) async throws -> CommandResult {
      try await eventualValue("the result of \(command.commandType)") { await peer.results(for: command.id).first }
    }

    private func queueIsEmpty(_ peer: TestPeer) async throws {
      // A delivery that is not acknowledged does not count as ready: it shows when the consumer is gone, so the test deletes nothing here
      // and asks rabbitmqctl instead.
      let queue = try await peer.queue
      try await eventually("everything is acknowledged", timeout: .seconds(60)) {
        try await peer.services.rabbitmqctl("list_queues", "-p", peer.services.virtualHost, "name", "messages").split(separator: "\n")
          .contains("\(queue)\t0")
      }
    }

    @Test func pingAndDescribeAreAnsweredAndThenAcknowledged() async throws {
      try await withServedAgent { peer, log in
        let ping = await peer.command("ping")
        let describe = await peer.command("describe")
        try await peer.send(ping)
        try await peer.send(describe)
        let pong = try await result(of: ping, from: peer)
        #expect(pong.status == .succeeded && pong.output?["pong"] == true && pong.agentID == peer.agentID)
        let description = try await result(of: describe, from: peer)
        #expect(description.output?["logical_agent_id"] == "agent.1")
        #expect(description.output?["client_id"] == .string(peer.clientID))
        #expect(!"\(description)".contains(peer.token))
        try await queueIsEmpty(peer)
        #expect(log.contains("received the command \(ping.id) (ping)"))
        #expect(log.contains("finished the command \(ping.id) (ping)"))
      }
    }

    @Test func aCommandThatComesTwiceIsRunOnceAndAnsweredTwice() async throws {
      try await withServedAgent { peer, log in
        let command = await peer.command("ping")
        try await peer.send(command)
        let first = try await result(of: command, from: peer)
        try await peer.send(command)
        try await eventually("a second answer") { await peer.results(for: command.id).count == 2 }
        let second = try #require(await peer.results(for: command.id).last)
        #expect(second.startedAt == first.startedAt && second.output == first.output)
        #expect(log.count("received the command \(command.id)") == 1)
        try await queueIsEmpty(peer)
      }
    }

    @Test func whatTheServerDidNotSignIsNeverRun() async throws {
      try await withServedAgent { peer, log in
        let forged = await peer.command("ping")
        try await peer.send(forged, token: "another-token-entirely")
        let honest = await peer.command("ping")
        try await peer.send(honest)
        _ = try await result(of: honest, from: peer)
        #expect(await peer.results(for: forged.id).isEmpty)
        try await eventually("the refusal is reported") { await peer.stages(of: forged.id) == [.refused] }
        #expect(await peer.progress.last?.body.reason?.contains("its signature does not match") == true)
        #expect(
          log.contains(
            "ERROR - Agent \(peer.agentID) (agent.1) rejected the message \(forged.id) of its queue: its signature does not match"))
        try await queueIsEmpty(peer)
      }
    }

    @Test func anExpiredOrUnknownCommandIsReportedWithTheReason() async throws {
      try await withServedAgent { peer, _ in
        let expired = await peer.command("ping", expiresAt: peer.now.advanced(by: .seconds(-1)))
        try await peer.send(expired)
        let first = try await result(of: expired, from: peer)
        #expect(first.status == .expired && first.error?.contains("expired at") == true)
        let unknown = await peer.command("switch")
        try await peer.send(unknown)
        let second = try await result(of: unknown, from: peer)
        #expect(
          second.status == .failed
            && second.error?.hasPrefix("Unknown command 'switch': this agent knows configure, describe, ping.") == true)
        try await queueIsEmpty(peer)
      }
    }

    @Test func aCommandForAnotherAgentIsRejectedAndThatIsReported() async throws {
      try await withServedAgent { peer, log in
        let foreign = await peer.command("ping", agentID: "somebody-else")
        try await peer.send(foreign)
        try await log.wait(for: "it is meant for the agent somebody-else")
        try await eventually("the refusal is reported") { await peer.stages(of: foreign.id) == [.refused] }
        #expect(await peer.results(for: foreign.id).isEmpty)
        try await queueIsEmpty(peer)
      }
    }
  }
}
