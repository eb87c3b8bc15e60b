import Glibc
import HTTP
import ServiceRuntime

/// A real server in one of its roles, seen through its log.
struct ServerProcess: Sendable {
  /// The moment from which it serves.
  struct Start: Sendable {
    /// When its worker began to consume.
    let at: ContinuousClock.Instant
    /// What the process had used by then.
    let processorTime: Duration
    /// Where its front listens; empty for a worker.
    let url: String
  }

  /// What its log told of a drain.
  struct Progress: Sendable {
    /// From the first moment of consuming to the last acknowledgement.
    var duration: Duration
    /// What the process used in that time, on all cores.
    var processorTime: Duration
    var batches: Int
    var heartbeats: Int
  }

  private let child: ChildProcess
  private let listens: Bool

  /// Starts it on this process's environment and `variables`. Batches are told at DEBUG, one line each.
  static func start(_ program: String, role: String, _ variables: [String: String] = [:]) async throws -> ServerProcess {
    let environment = ["LOG_LEVEL": "DEBUG"].merging(variables) { $1 }
    return ServerProcess(
      child: try await ChildProcess.start([program, "--role", role], environment: environment), listens: role != "worker")
  }

  /// Its log, for one reader, after `waitUntilServing`.
  var lines: AsyncStream<ChildProcess.Line> { child.lines }

  /// What it uses now; `nil` when it has ended.
  func usage() -> ProcessUsage? { child.usage() }

  /// Follows the log until it consumes and, when its role has a front, that listens. To be called first, and once.
  func waitUntilServing() async throws -> Start {
    try await withDeadline(.seconds(120)) { [self] in
      var consuming: (at: ContinuousClock.Instant, processorTime: Duration)?
      var url = listens ? nil : ""
      var tail = LogTail()
      for await line in child.lines {
        tail.append(line.text)
        if consuming == nil, line.text.contains(" INFO - Worker is consuming from ") {
          consuming = (line.at, usage()?.processorTime ?? .zero)
        }
        if let range = line.text.firstRange(of: " INFO - Listening on ") { url = String(line.text[range.upperBound...]) }
        if let consuming, let url { return Start(at: consuming.at, processorTime: consuming.processorTime, url: url) }
      }
      try Task.checkCancellation()
      throw BenchError("the server ended before it served; its log ends:\n\(tail.text)")
    }
  }

  /// Waits until the front says that database and broker are well: before that an agent's start fails.
  func waitUntilHealthy(_ start: Start) async throws {
    let client = HTTPClient(userAgent: "fleet-bench/\(programVersion)")
    defer { client.close() }
    try await withDeadline(.seconds(60)) {
      while try await client.send(HTTPClientRequest(url: "\(start.url)/health", bypassesProxy: true)).status != 200 {
        try await Task.sleep(for: .milliseconds(50))
      }
    }
  }

  /// Follows the log until that many heartbeats are committed and acknowledged.
  func drain(_ wanted: Int, from start: Start) async throws -> Progress {
    // A hundredth of what is promised: whoever needs longer is stuck.
    try await withDeadline(.seconds(60 + wanted / 500)) { [self] in
      var progress = Progress(duration: .zero, processorTime: .zero, batches: 0, heartbeats: 0)
      var tail = LogTail()
      for await line in child.lines {
        tail.append(line.text)
        guard let count = Self.committed(line.text) else { continue }
        progress.batches += 1
        progress.heartbeats += count
        guard progress.heartbeats >= wanted else { continue }
        progress.duration = start.at.duration(to: line.at)
        progress.processorTime = (usage()?.processorTime ?? .zero) - start.processorTime
        return progress
      }
      throw BenchError(
        "the worker ended, or took too long, after \(progress.heartbeats) of \(wanted) heartbeats; its log ends:\n\(tail.text)")
    }
  }

  /// `… DEBUG - Committed 1234 heartbeats of 200 agents` → 1234.
  static func committed(_ line: String) -> Int? {
    guard let range = line.firstRange(of: " DEBUG - Committed ") else { return nil }
    let words = line[range.upperBound...].split(separator: " ")
    return words.count > 1 && words[1] == "heartbeats" ? Int(words[0]) : nil
  }

  /// Stops it in good order, by force after ten seconds, and says how it ended.
  func stop() async -> ChildProcess.Ending { await child.stop() }
}

/// The end of a log, for an error.
struct LogTail: Sendable {
  private var lines: [String] = []

  mutating func append(_ line: String) {
    lines.append(line)
    if lines.count > 8 { lines.removeFirst() }
  }

  var text: String { lines.joined(separator: "\n") }
}
