import FleetProtocol
import Foundation
import HTTP
import ServiceRuntime
import TestSupport
import Testing

@testable import Agent

extension AgentBehaviour {
  @Suite struct SpotNotices {
    private static let action = #"{"action": "terminate", "time": "2027-09-18T08:22:00Z"}"#

    /// An agent on a spot instance, its metadata service, and its peer.
    private func withInstance(_ body: (PeerHandle, MetadataPeer, LogCapture) async throws -> Void) async throws {
      try await withMetadata { metadata, url in
        try await withPeer { handle in
          var timings = AgentTimings.forTests
          timings.noticeInterval = .milliseconds(100)
          timings.metadataTimeout = .seconds(5)
          let environment = handle.environment(["AWS_EC2_METADATA_DISABLED": "", "AWS_EC2_METADATA_SERVICE_ENDPOINT": url])
          try await withAgent(environment, timings: timings) { log in
            try await log.wait(for: "takes its commands from the queue")
            try await eventually("it asks") { metadata.asked(MetadataPeer.rebalancePath) > 0 }
            try await body(handle, metadata, log)
          }
          #expect(await handle.peer.problems == [])
        }
      }
    }

    /// Until the service was asked some more times: what would be published again has been.
    private func someMoreQuestions(_ metadata: MetadataPeer) async throws {
      let asked = metadata.asked(MetadataPeer.rebalancePath)
      try await eventually("more questions") { metadata.asked(MetadataPeer.rebalancePath) >= asked + 5 }
    }

    @Test func anInterruptionAndARecommendationArePublishedOnceEach() async throws {
      try await withInstance { handle, metadata, log in
        metadata.say(#"{"noticeTime": "2027-09-18T08:10:00Z"}"#, at: MetadataPeer.rebalancePath)
        try await eventually("the recommendation") { await handle.peer.notices.count == 1 }
        metadata.say(Self.action, at: MetadataPeer.interruptionPath)
        try await eventually("the interruption") { await handle.peer.notices.count == 2 }
        try await someMoreQuestions(metadata)
        let notices = await handle.peer.notices.map(\.body)
        #expect(notices.map(\.kind) == [.rebalance, .interruption] && notices.map(\.action) == [nil, "terminate"])
        #expect(notices[1].time.iso8601 == "2027-09-18T08:22:00.000Z" && notices[1].instanceID == MetadataPeer.instanceID)
        #expect(notices.allSatisfy { $0.agentID == handle.peer.agentID })
        #expect(log.contains("sent the notice 'terminate' for 2027-09-18T08:22:00.000Z"))
        // Another time is another notice.
        metadata.say(Self.action.replacing("08:22", with: "08:23"), at: MetadataPeer.interruptionPath)
        try await eventually("the second interruption") { await handle.peer.notices.count == 3 }
      }
    }

    @Test func aNoticeThatCameWhileTheBrokerWasAwayIsPublishedAndOneThatWasConfirmedIsNotRepeated() async throws {
      try await withInstance { handle, metadata, log in
        metadata.say(#"{"noticeTime": "2027-09-18T08:10:00Z"}"#, at: MetadataPeer.rebalancePath)
        try await eventually("the recommendation") { await handle.peer.notices.count == 1 }
        await handle.peer.stopWorking()
        try await handle.peer.services.stopBroker()
        try await log.wait(for: "lost its connection to the broker")
        metadata.say(Self.action, at: MetadataPeer.interruptionPath)
        try await handle.peer.services.startBroker()
        try await eventually("the agent is back", timeout: .seconds(60)) { log.count("takes its commands from the queue") >= 2 }
        try await handle.startWorking()
        try await eventually("the interruption") { await handle.peer.notices.count == 2 }
        try await someMoreQuestions(metadata)
        #expect(await handle.peer.notices.map(\.body.kind) == [.rebalance, .interruption])
      }
    }

    @Test func whatCannotBeAskedIsToldOnceAndTheOtherIsAskedOn() async throws {
      try await withInstance { handle, metadata, log in
        metadata.set(.error(500, "no"), at: MetadataPeer.rebalancePath)
        try await log.wait(
          for: "WARNING - Agent \(handle.peer.agentID) (agent.1) cannot ask the instance metadata for events/recommendations/rebalance "
            + "and goes on trying: it answers 500")
        try await someMoreQuestions(metadata)
        metadata.say(Self.action, at: MetadataPeer.interruptionPath)
        try await eventually("the interruption") { await handle.peer.notices.count == 1 }
        #expect(log.count("WARNING - Agent \(handle.peer.agentID) (agent.1) cannot ask") == 1)
        metadata.say(nil, at: MetadataPeer.rebalancePath)
        try await log.wait(for: "can ask the instance metadata for events/recommendations/rebalance again")
      }
    }

    @Test func offEC2NobodyIsAsked() async throws {
      try await withMetadata { metadata, url in
        metadata.say(nil, at: "instance-id")
        try await withPeer { handle in
          let environment = handle.environment(["AWS_EC2_METADATA_DISABLED": "", "AWS_EC2_METADATA_SERVICE_ENDPOINT": url])
          try await withAgent(environment) { log in
            try await log.wait(for: "takes its commands from the queue")
            try await eventually("heartbeats") { await handle.peer.heartbeats.count >= 3 }
          }
        }
        #expect(metadata.asked(MetadataPeer.interruptionPath) == 0)
      }
    }
  }
}
