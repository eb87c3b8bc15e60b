import AMQP
import Glibc
import ServiceRuntime

/// Something to measure.
protocol Benchmark: Sendable {
  /// Measures and prints. May be cancelled at any moment.
  func run() async throws
  /// Takes away what `run` made, however far it came. Called once, after `run` has ended, by a task that is not cancelled.
  func cleanUp() async
}

/// The process's exit codes, which `--help` documents.
enum ExitCode {
  static let done: Int32 = 0
  static let failed: Int32 = 1
  static let usage: Int32 = 2
  static let interrupted: Int32 = 130
}

/// A measurement that cannot be made or that went wrong, in words for whoever started it.
struct BenchError: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// Runs a benchmark until it ends or SIGTERM or SIGINT stops it, cleans up, and gives the exit code. A second signal ends the process at once.
func runBenchmark(_ benchmark: any Benchmark) async -> Int32 {
  let stop = StopRequest()
  return await withTaskGroup(of: Int32?.self) { group in
    group.addTask {
      for await signal in Signals.termination() {
        if stop.isRequested { _exit(128 + signal) }
        say("interrupted: cleaning up")
        stop.request()
      }
      return nil
    }
    group.addTask {
      let code = await measure(benchmark, until: stop)
      await benchmark.cleanUp()
      return code
    }
    defer { group.cancelAll() }
    while let ended = await group.next() {
      if let ended { return ended }
    }
    return ExitCode.failed
  }
}

private func measure(_ benchmark: any Benchmark, until stop: StopRequest) async -> Int32 {
  await withTaskGroup(of: Int32.self) { group in
    group.addTask {
      do {
        try await benchmark.run()
        return ExitCode.done
      } catch let error as ConfigurationError {
        say("\(error)")
        return ExitCode.usage
      } catch {
        if stop.isRequested { return ExitCode.interrupted }
        say("\(error)")
        return ExitCode.failed
      }
    }
    group.addTask {
      await stop.wait()
      return ExitCode.interrupted
    }
    defer { group.cancelAll() }
    return await group.next() ?? ExitCode.failed
  }
}

/// What is not a figure: progress and errors, on standard error.
func say(_ text: String) { writeFully("fleet-bench: \(printable(text))\n", to: STDERR_FILENO) }

/// Opens a connection for `body` and closes it whatever happens.
func withConnection<Result: Sendable>(
  _ configuration: ConnectionConfiguration, on loop: EventLoop, _ body: @Sendable (AMQP.Connection) async throws -> Result
) async throws -> Result {
  let connection = try await AMQP.Connection.open(configuration, on: loop)
  do {
    let result = try await body(connection)
    await connection.close()
    return result
  } catch {
    await connection.close()
    throw error
  }
}

/// Removes the queues of simulated agents, and says which are left when the broker does not let it.
func deleteQueues(_ queues: [String], _ settings: BenchSettings, on loop: EventLoop) async {
  guard !queues.isEmpty else { return }
  do {
    try await withConnection(settings.broker.connection(named: "fleet-bench clean up"), on: loop) { connection in
      let channel = try await connection.openChannel()
      for queue in queues { try await channel.deleteQueue(queue) }
    }
  } catch {
    say("\(queues.count) queues could not be deleted, from \(queues[0]) on: \(error)")
  }
}
