import Foundation
import ServiceRuntime
import TestSupport
import Testing

/// A machine whose clock is wrong: what the agent sends is right all the same.
@Suite struct WrongClockTests {
  /// A library that moves what `CLOCK_REALTIME` shows, and no other clock, for the program that it is loaded into.
  private func shiftedClock(in folder: String) async throws -> String {
    let source = """
      #define _GNU_SOURCE
      #include <dlfcn.h>
      #include <stdlib.h>
      #include <time.h>
      int clock_gettime(clockid_t clock, struct timespec *time) {
        static int (*real)(clockid_t, struct timespec *);
        if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
        int result = real(clock, time);
        const char *shift = getenv("SHIFT_CLOCK_SECONDS");
        if (result == 0 && clock == CLOCK_REALTIME && shift) time->tv_sec += atoi(shift);
        return result;
      }
      """
    try source.write(toFile: "\(folder)/shift.c", atomically: true, encoding: .utf8)
    let compiler = try await Program.tool(
      "/usr/bin/env", ["clang", "-shared", "-fPIC", "-O1", "-o", "\(folder)/shift.so", "\(folder)/shift.c", "-ldl"])
    try #require(try await compiler.waitForExit() == .exited(0), "\(compiler.output)")
    return "\(folder)/shift.so"
  }

  @Test func anAgentTenMinutesOffStaysOnlineWithCorrectedTimesAndSaysHowFarItIsOff() async throws {
    try await withFleet { fleet in
      let library = try await shiftedClock(in: fleet.folder)
      // Far from the ten minutes, and too long for a busy machine to be silent.
      let server = try await fleet.startServer(["AGENT_HEARTBEAT_TIMEOUT": "60"])
      try await fleet.createClient()
      for (name, shift, word) in [("ahead", "600", "ahead of"), ("behind", "-600", "behind")] {
        let agent = try await fleet.startAgent(name, server, ["LD_PRELOAD": library, "SHIFT_CLOCK_SECONDS": shift])
        #expect(agent.lines.contains { $0.contains("WARNING - The clock of this machine is ") && $0.contains("s \(word) the server's") })
        let registered = try #require(try await fleet.waitForAgent(name, "is online") { $0.status == "online" }.lastHeartbeatAt)
        // Some heartbeats, each with the server's time: with its own, the one that is behind would be called offline at once.
        let row = try await fleet.waitForAgent(name, "sends heartbeats") {
          ($0.lastHeartbeatAt ?? registered) > registered.advanced(by: .seconds(8))
        }
        #expect(row.status == "online")
        let difference = try #require(row.lastHeartbeatAt).since(.now())
        #expect(difference < .seconds(60) && difference > .seconds(-60))
        #expect(try await fleet.result(of: try await fleet.insertCommand(for: name)).status == "succeeded")
      }
      #expect(server.program.count("is offline: no heartbeat") == 0)
    }
  }

  @Test func aServerTenMinutesOffGoesByTheDatabasesClock() async throws {
    try await withFleet { fleet in
      let library = try await shiftedClock(in: fleet.folder)
      let server = try await fleet.startServer(["LD_PRELOAD": library, "SHIFT_CLOCK_SECONDS": "600"])
      #expect(server.program.output.contains("WARNING - The database's clock is -"))
      try await fleet.createClient()
      let agent = try await fleet.startAgent("agent-001", server)
      let registered = try #require(try await fleet.waitForAgent("agent-001", "is online") { $0.status == "online" }.lastHeartbeatAt)
      try await fleet.waitForAgent("agent-001", "sends heartbeats") { ($0.lastHeartbeatAt ?? registered) > registered }
      #expect(!agent.output.contains("The clock of this machine"))
      #expect(try await fleet.result(of: try await fleet.insertCommand(for: "agent-001")).status == "succeeded")
    }
  }
}
