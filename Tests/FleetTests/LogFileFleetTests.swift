import Foundation
import Glibc
import HTTP
import TestSupport
import Testing

/// The log files of the real programs, rotated as logrotate does it.
@Suite struct LogFileFleetTests {
  @Test func theLogsAreReopenedAtHangUpAndGreppableAsTheGuideGreps() async throws {
    try await withFleet { fleet in
      let folder = NSTemporaryDirectory() + "spot-optimizer-logs-\(UUID().uuidString)"
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      defer { try? FileManager.default.removeItem(atPath: folder) }  // What is left is in the tests' own folder.
      let backend = "\(folder)/backend.log"
      let own = "\(folder)/agent.log"
      let server = try await fleet.startServer(role: "all", ["SPOT_OPTIMIZER_LOG_FILE": backend])
      try await fleet.createClient()
      let agent = try await fleet.startAgent("logged-1", server, ["SPOT_OPTIMIZER_LOG_FILE": own, "LOG_FORMAT": "json"])
      try await fleet.waitForAgent("logged-1", "is online") { $0.status == "online" }
      #expect(try read(own).contains("✓ Server is reachable (health check passed)"))

      for (program, path) in [(server.program, backend), (agent, own)] {
        try FileManager.default.moveItem(atPath: path, toPath: "\(path).1")
        program.send(SIGHUP)
        try await eventually("\(path) is opened anew") { FileManager.default.fileExists(atPath: path) }
      }
      let refused = try await fleet.launchAgent("refused-1", server, token: "a-token-that-nobody-has-0001")
      #expect(try await refused.waitForExit() == .exited(3))
      try await eventually("the refusal is in the new file") { try read(backend).contains("Invalid client token") }
      let grep = try await Program.tool("/bin/grep", ["Invalid client token", backend])
      #expect(try await grep.waitForExit() == .exited(0) && !grep.output.contains("nobody-has"))
      #expect(try read("\(backend).1").contains("logged-1") && !read("\(backend).1").contains("Invalid client token"))

      #expect(try await agent.stopInGoodOrder().status == .exited(0))
      #expect(try read(own).contains("\"message\":\"Stopped\""))
      let filter = ".level and .time and .program == \"spot-optimizer-agent\" and .message"
      let jq = try await Program.tool("/usr/bin/jq", ["-e", filter, own, "\(own).1"])
      #expect(try await jq.waitForExit() == .exited(0))
    }
  }

  private func read(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }
}
