import FleetProtocol
import Foundation
import HTTP
import ServiceRuntime
import TestSupport
import Testing

@testable import Agent

extension AgentBehaviour {
  @Suite struct Endurance {
    @Test func withoutAnyServerAnAgentComesBackAfterABrokerRestartAndKeepsItsCommands() async throws {
      try await withPeer { handle in
        let peer = handle.peer
        try await withAgent(handle.environment()) { log in
          try await log.wait(for: "takes its commands from the queue")
          try await eventually("a heartbeat") { await !peer.heartbeats.isEmpty }
          let command = await peer.command("ping")
          await handle.stopServers()
          try await peer.services.restartBroker()
          try await log.wait(for: "lost its connection to the broker")
          try await eventually("the agent is back", timeout: .seconds(60)) { log.count("takes its commands from the queue") >= 2 }
          // Published into the broker while no server reads them.
          let sent = log.count("sent a heartbeat")
          try await eventually("two more heartbeats") { log.count("sent a heartbeat") >= sent + 2 }
          try await handle.startWorking()
          try await peer.send(command)
          try await eventually("the command is answered") { await peer.results(for: command.id).count == 1 }
          #expect(await peer.registrations.count == 1, "a reconnect is no registration")
        }
        #expect(await peer.problems == [])
      }
    }

    @Test func aBrokerThatIsAwayIsToldInTheGuidesWords() async throws {
      try await withPeer { handle in
        let peer = handle.peer
        try await withAgent(handle.environment()) { log in
          try await log.wait(for: "takes its commands from the queue")
          let operation = "PUBLISH amqp://127.0.0.1:\(peer.services.port)/spot-optimizer/heartbeat.\(try await peer.address.encoded)"
          try await peer.services.stopBroker()
          try await log.wait(for: "WARNING - Connection error (attempt 1/3): \(operation) - retrying in 1s")
          try await log.wait(for: "WARNING - Connection error (attempt 2/3): \(operation) - retrying in 2s")
          try await log.wait(for: "ERROR - Connection error after 3 attempts: \(operation) - [Errno 111] Connection refused")
          #expect(log.contains("ERROR - Server URL configured as: \(peer.url)"))
          #expect(log.contains("ERROR - Verify server is running and CLIENT_TOKEN is valid"))
          try await log.wait(for: "WARNING - Connection error (attempt 4): \(operation) - [Errno 111] Connection refused - retrying in ")
          try await peer.services.startBroker()
          try await eventually("the agent is back", timeout: .seconds(60)) { log.count("takes its commands from the queue") >= 2 }
        }
      }
    }

    @Test func aStartingAgentWithoutABrokerEndsAfterThreeAttempts() async throws {
      try await withPeer { handle in
        try await handle.peer.services.stopBroker()
        let (exit, log) = try await endOfAgent(handle.environment())
        try await handle.peer.services.startBroker()
        #expect(exit == .startupFailed)
        #expect(log.contains("/register.\(try await handle.peer.address.encoded) - [Errno 111] Connection refused"))
        #expect(log.count("after 3 attempts") == 1)
      }
    }

    @Test func credentialsAreRenewedInTimeAndTheConnectionFollows() async throws {
      try await withPeer({ $0.credentialLifetime = 5 }) { handle in
        let peer = handle.peer
        try await withAgent(handle.environment()) { log in
          try await log.wait(for: "takes its commands from the queue")
          try await eventually("three credentials", timeout: .seconds(60)) { await peer.credentialsGiven >= 3 }
          try await eventually("three connections") { log.count("takes its commands from the queue") >= 3 }
          #expect(await peer.registrations.count == 1)
          let command = await peer.command("ping")
          try await peer.send(command)
          try await eventually("the command is answered") { await peer.results(for: command.id).count == 1 }
        }
      }
    }

    @Test func aRefusedLoginAsksTheServerForANewCredential() async throws {
      try await withPeer({ $0.credentialLifetime = 2 }) { handle in
        let peer = handle.peer
        try await withAgent(handle.environment()) { log in
          try await log.wait(for: "takes its commands from the queue")
          await peer.set { $0.credentialRefusal = .error(503, "no database") }
          try await log.wait(for: "ERROR - HTTP error 503: POST \(peer.url)/api/broker/credentials")
          try await peer.services.restartBroker()
          try await log.wait(for: "login refused", timeout: .seconds(60))
          await peer.set { peer in
            peer.credentialRefusal = nil
            peer.credentialLifetime = 3600
          }
          try await eventually("the agent is back", timeout: .seconds(60)) { log.count("takes its commands from the queue") >= 2 }
        }
      }
    }

    @Test func whileTheBrokerTakesNoMessagesTheAgentWaitsAndThenSendsItsNewestHeartbeat() async throws {
      try await withPeer { handle in
        let peer = handle.peer
        try await withAgent(handle.environment()) { log in
          try await eventually("a heartbeat") { await !peer.heartbeats.isEmpty }
          try await peer.services.rabbitmqctl("set_vm_memory_high_watermark", "0.0000001")
          try await log.wait(for: "publishes nothing: the broker takes no messages")
          try await peer.services.rabbitmqctl("set_vm_memory_high_watermark", "0.5")
          try await log.wait(for: "publishes again")
          let before = await peer.heartbeats.count
          try await eventually("heartbeats go on") { await peer.heartbeats.count > before }
          #expect(log.count("publishes nothing") == 1)
        }
      }
    }

    @Test func aBrokerThatIsDownIsPassedOver() async throws {
      try await withPeer({ $0.deadBrokers = ["amqp://127.0.0.1:1", "amqp://127.0.0.1:2"] }) { handle in
        try await withAgent(handle.environment()) { log in try await log.wait(for: "takes its commands from the queue") }
      }
    }
  }
}
