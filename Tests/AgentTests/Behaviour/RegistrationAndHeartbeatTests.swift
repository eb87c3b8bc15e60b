import FleetProtocol
import Foundation
import ServiceRuntime
import TestSupport
import Testing

@testable import Agent

extension AgentBehaviour {
  @Suite struct RegistrationAndHeartbeats {
    @Test func twoVariablesAreEnoughToRegisterAndToBeAlive() async throws {
      try await withPeer { handle in
        let peer = handle.peer
        let exit = try await withAgent([
          "SPOT_OPTIMIZER_SERVER_URL": peer.url + "/", "SPOT_OPTIMIZER_CLIENT_TOKEN": " \(peer.token) ", "HOME": temporaryFolder(),
          "SPOT_OPTIMIZER_STATE_DIR": temporaryFolder(), "AWS_EC2_METADATA_DISABLED": "true",
        ]) { log in
          try await eventually("two heartbeats") { await peer.heartbeats.count >= 2 }
          let registration = try #require(await peer.registrations.first)
          #expect(registration.body.logicalAgentID == hostName() && registration.body.hostname == hostName())
          #expect(registration.body.agentVersion == programVersion && registration.body.generation == nil)
          #expect(registration.message.userID == (try await peer.address.username))
          #expect(registration.message.replyTo?.hasPrefix(Topology.replyToQueue) == true && registration.message.persistent)
          let heartbeat = try #require(await peer.heartbeats.first)
          #expect(heartbeat.body.agentID == peer.agentID && heartbeat.body.status == .online && heartbeat.body.generation == 1)
          #expect(heartbeat.message.contentType == "application/json" && heartbeat.message.type == "heartbeat")
          #expect(heartbeat.routingKey == (try await peer.address.routingKey(.heartbeat)))
          #expect(log.contains("INFO - Agent \(peer.agentID) (\(hostName())) is registered for the client \(peer.clientID)"))
          #expect(!log.lines.contains { $0.contains(peer.token) })
        }
        #expect(exit == .stopped)
        #expect(await peer.registrations.count == 1)
        #expect(await peer.problems == [])
      }
    }

    @Test func whoStopsSaysThatItIsOffline() async throws {
      try await withPeer { handle in
        try await withAgent(handle.environment()) { log in try await log.wait(for: "takes its commands from the queue") }
        try await eventually("an offline heartbeat") { await handle.peer.heartbeats.last?.body.status == .offline }
      }
    }

    @Test func theVariableForTheIntervalWinsOverTheServersWord() async throws {
      try await withPeer({ $0.heartbeatInterval = 3600 }) { handle in
        try await withAgent(handle.environment(["HEARTBEAT_INTERVAL": "1"])) { log in
          try await eventually("three heartbeats") { await handle.peer.heartbeats.count >= 3 }
          #expect(log.contains("a heartbeat every 1s"))
        }
      }
    }

    @Test func aWrongClockIsToldAndCorrectedInEveryMessage() async throws {
      try await withPeer({ $0.clockAhead = .seconds(600) }) { handle in
        try await withAgent(handle.environment()) { log in
          try await eventually("a heartbeat") { await !handle.peer.heartbeats.isEmpty }
          let heartbeat = try #require(await handle.peer.heartbeats.first)
          let difference = await heartbeat.body.sentAt.since(handle.peer.now)
          #expect(difference.magnitude < .seconds(5))
          #expect(Int64(heartbeat.message.timestamp ?? 0) - heartbeat.body.sentAt.seconds <= 1)
          #expect(log.contains("WARNING - The clock of this machine is 600s behind the server's") || log.contains("is 599s behind"))
        }
      }
    }

    @Test func anAgentWhoseQueueIsDeletedRegistersAgainAndGoesOnWithItsHeartbeats() async throws {
      try await withPeer { handle in
        let peer = handle.peer
        try await withAgent(handle.environment()) { log in
          try await log.wait(for: "takes its commands from the queue")
          await peer.set { $0.registrationBehaviour = .silence }
          try await peer.deleteAgentQueue()
          try await log.wait(for: "lost its queue")
          let before = await peer.heartbeats.count
          try await eventually("heartbeats without a queue") { await peer.heartbeats.count >= before + 2 }
          await peer.set { $0.registrationBehaviour = .welcome }
        }
        #expect(await peer.registrations.last?.body.generation == 1)
      }
    }

    @Test func anUnknownAgentRegistersAgainByItself() async throws {
      try await withPeer { handle in
        let peer = handle.peer
        try await withAgent(handle.environment()) { log in
          try await log.wait(for: "takes its commands from the queue")
          await peer.set { $0.heartbeatRefusal = .unknownAgent }
          try await log.wait(for: "ERROR - AMQP error 404: PUBLISH amqp://127.0.0.1:")
          await peer.set { $0.heartbeatRefusal = nil }
          #expect(log.contains(#"ERROR - Response: {"error": "Agent not found"}"#))
          try await eventually("a second registration") { await peer.registrations.count >= 2 }
          try await eventually("the new queue is consumed") {
            try await peer.agentQueueStatus()?.consumerCount == 1 && log.count("takes its commands from the queue") >= 2
          }
        }
      }
    }

    @Test func aRefusedTokenOfARunningAgentIsToldInTheGuidesWordsAndTheAgentGoesOn() async throws {
      try await withPeer { handle in
        let peer = handle.peer
        try await withAgent(handle.environment()) { log in
          try await log.wait(for: "takes its commands from the queue")
          await peer.set { $0.heartbeatRefusal = .invalidToken }
          try await log.wait(for: "ERROR - Current token: \(tokenPreview(peer.token))")
          let address = try await peer.address
          #expect(
            log.contains(
              "ERROR - AMQP error 401: PUBLISH amqp://127.0.0.1:\(peer.services.port)/spot-optimizer/heartbeat.\(address.encoded)"))
          #expect(log.contains(#"ERROR - Response: {"error": "Invalid client token"}"#))
          #expect(log.contains("ERROR - Authentication failed - check CLIENT_TOKEN configuration"))
          await peer.set { $0.heartbeatRefusal = nil }
          let before = await peer.heartbeats.count
          try await eventually("heartbeats go on") { await peer.heartbeats.count > before }
        }
      }
    }

    @Test func aSecondAgentUnderTheSameNameIsToldSoAndKeepsTrying() async throws {
      try await withPeer({ $0.registrationBehaviour = .refuse(.anotherAgent, signed: true) }) { handle in
        try await withAgent(handle.environment()) { log in
          try await log.wait(for: "Another agent runs under the logical id agent.1")
          try await eventually("it tries again") { await handle.peer.registrations.count >= 2 }
          await handle.peer.set { $0.registrationBehaviour = .welcome }
          try await log.wait(for: "is registered for the client")
        }
      }
    }

    @Test func aStartingAgentThatNobodyAnswersEndsAfterThreeAttempts() async throws {
      try await withPeer({ $0.registrationBehaviour = .silence }) { handle in
        var timings = AgentTimings.forTests
        timings.replyTimeout = .seconds(1)
        let (exit, log) = try await endOfAgent(handle.environment(), timings: timings)
        #expect(exit == .startupFailed)
        let operation =
          "PUBLISH amqp://127.0.0.1:\(handle.peer.services.port)/spot-optimizer/register.\(try await handle.peer.address.encoded)"
        #expect(log.contains("WARNING - Request timeout (attempt 1/3): \(operation) - retrying in 1s"))
        #expect(log.contains("WARNING - Request timeout (attempt 2/3): \(operation) - retrying in 2s"))
        #expect(log.contains("ERROR - Request timeout after 3 attempts: \(operation) - Read timed out."))
        let times = Set(await handle.peer.registrations.map(\.body.sentAt))
        #expect(times.count == 1, "a repetition is the same registration")
      }
    }

    @Test(arguments: [ErrorStatus.inactiveClient, .validationFailed])
    func aStartingAgentThatIsRefusedEnds(_ status: ErrorStatus) async throws {
      try await withPeer({ $0.registrationBehaviour = .refuse(status, signed: true) }) { handle in
        let (exit, log) = try await endOfAgent(handle.environment())
        #expect(exit == (status == .inactiveClient ? .authenticationRefused : .startupFailed))
        #expect(log.contains("ERROR - AMQP error \(status.code): PUBLISH amqp://"))
        #expect(log.contains("ERROR - Response: {\"error\": \"\(status.text)\"}"))
      }
    }

    @Test func aRefusalThatNobodySignedIsNoOrder() async throws {
      try await withPeer({ $0.registrationBehaviour = .refuse(.invalidToken, signed: false) }) { handle in
        try await withAgent(handle.environment()) { log in
          try await log.wait(for: "ERROR - AMQP error 401")
          // The server, asked over HTTP, takes the token: so the agent tries again.
          await handle.peer.set { $0.registrationBehaviour = .welcome }
          try await log.wait(for: "is registered for the client")
          #expect(await handle.peer.credentialsGiven >= 2)
        }
      }
    }
  }
}
