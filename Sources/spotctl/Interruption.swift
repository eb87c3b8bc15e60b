import Glibc
import ServiceRuntime

/// Ctrl-C or SIGTERM: the tool ends with 128 and the signal's number, as a shell says it of a program that a signal killed.
struct Interrupted: Error {
  let signal: Int32
}

/// The tool's work under the signals that end it.
struct Interruption: Sendable {
  /// How long work may take to tidy up after the first signal; a second one ends the program at once.
  private static let patience = Duration.seconds(2)

  private let wish = StopRequest()
  private let late = StopRequest()
  private let signal = Lock<Int32>(0)

  /// Runs `work`. A signal cancels its task, and throws `Interrupted` when it has returned: so a screen is left in order, and whoever follows a command is
  /// told how to call it off.
  static func watch(_ work: @escaping @Sendable () async throws -> Void) async throws {
    let interruption = Interruption()
    try await withThrowingTaskGroup(of: Bool.self) { group in
      group.addTask {
        try await interruption.run(work)
        return true
      }
      group.addTask {
        await interruption.listen()
        return false
      }
      group.addTask {
        await interruption.late.wait()
        // A database that does not answer must not keep the shell waiting. Throws when the work has returned in time.
        try await Task.sleep(for: patience)
        exit(128 + interruption.signal.withLock { $0 })
      }
      defer { group.cancelAll() }
      while let isDone = try await group.next(), !isDone {}
    }
  }

  private func listen() async {
    for await number in Signals.termination() {
      if wish.isRequested { exit(128 + number) }
      signal.withLock { $0 = number }
      wish.request()
      late.request()
    }
  }

  private func run(_ work: @escaping @Sendable () async throws -> Void) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await work() }
      group.addTask { await wish.wait() }
      try await group.next()
      group.cancelAll()
      guard wish.isRequested else { return }
      do {
        try await group.waitForAll()
      } catch {
        // Whatever the work says of being cancelled: that it was interrupted is the reason.
        throw Interrupted(signal: signal.withLock { $0 })
      }
      throw Interrupted(signal: signal.withLock { $0 })
    }
  }
}
