import Foundation
import TestSupport
import Testing

/// Agent and server as systemd sees them: `Type=notify`, `WatchdogSec=`.
@Suite struct ServiceManagerFleetTests {
  @Test func serverAndAgentAreReadyWhenTheyWorkFeedTheWatchdogAndSayThatTheyStop() async throws {
    try await withFleet { fleet in
      let ofServer = try NotifySocketReceiver("@spot-optimizer-server-\(UUID().uuidString)")
      let server = try await fleet.startServer(["NOTIFY_SOCKET": ofServer.address, "WATCHDOG_USEC": "200000"])
      try await eventually("the server is ready") { ofServer.lines.contains("READY=1") }
      #expect(ofServer.lines.first == "STATUS=Waiting for the database" || ofServer.lines.first == "WATCHDOG=1")
      try await eventually("the server feeds the watchdog") { ofServer.lines.filter { $0 == "WATCHDOG=1" }.count >= 3 }

      // No such client yet: an agent that is refused is never ready.
      let ofRefused = try NotifySocketReceiver("@spot-optimizer-agent-\(UUID().uuidString)")
      let refused = try await fleet.launchAgent("refused", server, ["NOTIFY_SOCKET": ofRefused.address])
      #expect(try await refused.waitForExit() == .exited(3))
      #expect(ofRefused.lines.isEmpty)

      try await fleet.createClient()
      let ofAgent = try NotifySocketReceiver("@spot-optimizer-agent-\(UUID().uuidString)")
      let agent = try await fleet.launchAgent(
        "watched", server, ["NOTIFY_SOCKET": ofAgent.address, "WATCHDOG_USEC": "200000", "HEARTBEAT_INTERVAL": "1"])
      try await eventually("the agent is ready", timeout: .seconds(60)) { ofAgent.lines.contains("READY=1") }
      #expect(ofAgent.lines.first == "READY=1")
      #expect(try await fleet.agent("watched") != nil, "ready means registered")
      try await eventually("the agent feeds the watchdog") { ofAgent.lines.filter { $0 == "WATCHDOG=1" }.count >= 3 }

      agent.send(SIGTERM)
      #expect(try await agent.waitForExit() == .exited(0))
      #expect(ofAgent.lines.contains("STOPPING=1"))
      server.program.send(SIGTERM)
      #expect(try await server.program.waitForExit() == .exited(0))
      #expect(ofServer.lines.contains("STOPPING=1"))
    }
  }
}
