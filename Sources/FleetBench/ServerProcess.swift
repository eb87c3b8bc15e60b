import Glibc
import ServiceRuntime

/// A real server in one of its roles, seen through its log.
struct ServerProcess: Sendable {
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

  /// Starts it on this process's environment and `variables`. Batches are told at DEBUG, one line each.
  static func start(_ program: String, role: String, _ variables: [String: String] = [:]) async throws -> ServerProcess {
    let environment = ["LOG_LEVEL": "DEBUG"].merging(variables) { $1 }
    return ServerProcess(child: try await ChildProcess.start([program, "--role", role], environment: environment))
  }

  /// What it uses now; `nil` when it has ended.
  func usage() -> ProcessUsage? { child.usage() }

  /// Follows the log until that many heartbeats are committed and acknowledged.
  func drain(_ wanted: Int) async throws -> Progress {
    var started: (at: ContinuousClock.Instant, processorTime: Duration)?
    var progress = Progress(duration: .zero, processorTime: .zero, batches: 0, heartbeats: 0)
    var tail: [String] = []
    for await line in child.lines {
      tail.append(line.text)
      if tail.count > 8 { tail.removeFirst() }
      if started == nil, line.text.contains(" INFO - Worker is consuming from ") { started = (line.at, usage()?.processorTime ?? .zero) }
      guard let count = Self.committed(line.text), let started else { continue }
      progress.batches += 1
      progress.heartbeats += count
      guard progress.heartbeats >= wanted else { continue }
      progress.duration = started.at.duration(to: line.at)
      progress.processorTime = (usage()?.processorTime ?? .zero) - started.processorTime
      return progress
    }
    throw BenchError(
      "the worker ended, or took too long, after \(progress.heartbeats) of \(wanted) heartbeats; its log ends:\n\(tail.joined(separator: "\n"))"
    )
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
