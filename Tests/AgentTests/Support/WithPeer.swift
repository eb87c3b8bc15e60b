import AMQP
import FleetProtocol
import Foundation
import HTTP
import HTTPServing
import ServiceRuntime
import TestSupport

@testable import Agent

/// A peer with its HTTP server and its worker, for as long as `body` runs.
func withPeer(_ configure: @Sendable (isolated TestPeer) -> Void = { _ in }, _ body: (PeerHandle) async throws -> Void) async throws {
  let current = Lock<TestPeer?>(nil)
  let server = try HTTPServer(HTTPServerConfiguration(port: 0)) { request in
    guard let peer = current.withLock({ $0 }) else { return .error(503, "The peer is not ready") }
    return await peer.answer(request)
  }
  let peer = try await TestPeer(port: server.port)
  current.withLock { $0 = peer }
  await peer.set(configure)
  let (starts, starter) = AsyncStream<Void>.makeStream()
  let handle = PeerHandle(peer: peer, server: server, starter: starter)
  try await withThrowingTaskGroup(of: Void.self) { group in
    group.addTask { await server.run() }
    group.addTask { for await _ in starts { try await peer.work() } }
    do {
      try await handle.startWorking()
      try await body(handle)
    } catch {
      starter.finish()
      await peer.stopWorking()
      group.cancelAll()
      throw error
    }
    starter.finish()
    await peer.stopWorking()
    group.cancelAll()
  }
}

/// What a test holds of a peer.
struct PeerHandle: Sendable {
  let peer: TestPeer
  private let server: HTTPServer
  private let starter: AsyncStream<Void>.Continuation

  init(peer: TestPeer, server: HTTPServer, starter: AsyncStream<Void>.Continuation) {
    self.peer = peer
    self.server = server
    self.starter = starter
  }

  /// The worker logs in and takes what waits.
  func startWorking() async throws {
    starter.yield()
    try await eventually("the peer works") { await peer.isWorking }
  }

  /// No server is left: neither worker nor HTTP.
  func stopServers() async {
    await peer.stopWorking()
    await server.stop()
  }

  /// The variables of an agent of this peer.
  func environment(_ more: [String: String] = [:]) -> [String: String] {
    [
      "SPOT_OPTIMIZER_SERVER_URL": peer.url, "SPOT_OPTIMIZER_CLIENT_TOKEN": peer.token, "LOGICAL_AGENT_ID": "agent.1",
      "AWS_EC2_METADATA_DISABLED": "true", "SPOT_OPTIMIZER_STATE_DIR": temporaryFolder(), "LOG_LEVEL": "DEBUG",
    ].merging(more) { $1 }
  }
}

/// A folder that no other test uses; it is gone when the tests have ended.
func temporaryFolder() -> String { "\(temporaryBase)/\(UUID().uuidString)" }

private let temporaryBase: String = {
  atexit {
    // Nothing can be done about a folder that cannot be removed, and nobody is left to be told.
    try? FileManager.default.removeItem(atPath: temporaryBase)
  }
  return "\(NSTemporaryDirectory())spot-optimizer-agent-\(getpid())"
}()

/// Lines that an agent of this process wrote.
final class LogCapture: Sendable {
  private let captured = Lock<[String]>([])

  var logger: Logger { Logger(level: .debug) { text in self.captured.withLock { $0 += text.split(separator: "\n").map(String.init) } } }
  var lines: [String] { captured.withLock { $0 } }

  func contains(_ text: String) -> Bool { lines.contains { $0.contains(text) } }
  func count(_ text: String) -> Int { lines.count { $0.contains(text) } }

  func wait(for text: String, timeout: Duration = .seconds(60)) async throws {
    try await eventually("the agent writes '\(text)'", timeout: timeout) { contains(text) }
  }
}

/// Runs an agent in this process, with shortened times, for as long as `body` runs; returns how it ended.
@discardableResult
func withAgent(
  _ environment: [String: String], timings: AgentTimings = .forTests, _ body: (LogCapture) async throws -> Void
) async throws -> AgentExit {
  let capture = LogCapture()
  let agent = Agent(try AgentSettings(Environment(environment)), timings: timings, log: capture.logger)
  return try await withThrowingTaskGroup(of: AgentExit.self) { group in
    group.addTask { await agent.run() }
    do {
      try await body(capture)
    } catch {
      group.cancelAll()
      throw AgentTestFailure(error: error, lines: capture.lines)
    }
    agent.stop()
    return try await group.next() ?? .stopped
  }
}

/// Runs an agent until it ends by itself.
func endOfAgent(_ environment: [String: String], timings: AgentTimings = .forTests) async throws -> (AgentExit, LogCapture) {
  let capture = LogCapture()
  let agent = Agent(try AgentSettings(Environment(environment)), timings: timings, log: capture.logger)
  return (try await withDeadline(.seconds(60)) { await agent.run() }, capture)
}

/// A failure with what the agent wrote before it.
struct AgentTestFailure: Error, CustomStringConvertible {
  let error: any Error
  let lines: [String]
  var description: String { "\(error)\nThe agent's lines:\n\(lines.joined(separator: "\n"))" }
}

extension AgentTimings {
  /// Short enough for tests, long enough for a busy machine.
  static var forTests: AgentTimings {
    var timings = AgentTimings()
    timings.retryCeiling = .seconds(2)
    timings.conflictDelay = .milliseconds(300)
    return timings
  }
}
