import Glibc
import ServiceRuntime

/// A real worker: the server's program in its role `worker`, seen through its log.
struct WorkerProcess: Sendable {
  /// What its log told of a drain.
  struct Progress: Sendable {
    /// From the first moment of consuming to the last acknowledgement.
    var duration: Duration
    var batches: Int
    var heartbeats: Int
  }

  private let child: ChildProcess

  /// The server's program: `path`, or the one that lies beside ours.
  static func program(_ path: String?) throws -> String {
    let program = try path ?? beside()
    guard access(program, X_OK) == 0 else {
      throw ConfigurationError(
        name: "--server",
        problem: "is '\(printable(program))', which is no program to be run ([Errno \(errno)] \(String(cString: strerror(errno))))",
        remedy: "build it (swift build -c release --product spot-optimizer-server), or give its path")
    }
    return program
  }

  /// Starts a worker on this process's environment.
  static func start(_ program: String) async throws -> WorkerProcess {
    // Batches are told at DEBUG, one line each.
    WorkerProcess(child: try await ChildProcess.start([program, "--role", "worker"], environment: ["LOG_LEVEL": "DEBUG"]))
  }

  private static func beside() throws -> String {
    var path = [CChar](repeating: 0, count: Int(PATH_MAX))
    let count = readlink("/proc/self/exe", &path, path.count)
    guard count > 0 else { throw BenchError("readlink /proc/self/exe: \(String(cString: strerror(errno)))") }
    let own = String(decoding: path[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return own[..<(own.lastIndex(of: "/") ?? own.startIndex)] + "/spot-optimizer-server"
  }

  /// Follows the log until that many heartbeats are committed and acknowledged.
  func drain(_ wanted: Int) async throws -> Progress {
    var started: ContinuousClock.Instant?
    var progress = Progress(duration: .zero, batches: 0, heartbeats: 0)
    var tail: [String] = []
    for await line in child.lines {
      tail.append(line.text)
      if tail.count > 8 { tail.removeFirst() }
      if started == nil, line.text.contains(" INFO - Worker is consuming from ") { started = line.at }
      guard let count = Self.committed(line.text), let started else { continue }
      progress.batches += 1
      progress.heartbeats += count
      progress.duration = started.duration(to: line.at)
      if progress.heartbeats >= wanted { return progress }
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
  func stop() async -> ChildProcess.Ending {
    child.signal(SIGTERM)
    return await withTaskGroup(of: ChildProcess.Ending?.self) { group in
      group.addTask { await child.waitForEnd() }
      group.addTask {
        // Cancelled when it has ended by itself.
        do { try await Task.sleep(for: .seconds(10)) } catch { return nil }
        child.signal(SIGKILL)
        return nil
      }
      defer { group.cancelAll() }
      while let result = await group.next() {
        if let result { return result }
      }
      return await child.waitForEnd()
    }
  }
}
