import FleetProtocol
import Glibc
import ServiceRuntime

/// One run of a program on the thread that calls it: starts it, reads what it writes, and sees to its end. Blocks until that.
struct ProcessRun {
  private static let readSize = 64 * 1024

  let request: ExecutableRunner.Request
  let timings: RunTimings
  let cancellation: RunCancellation
  let onStart: @Sendable (Int32) -> Void
  let onOutput: @Sendable (CommandOutput.Stream, [UInt8]) -> Void

  /// Runs it.
  func outcome() -> ExecutableRunner.Outcome {
    if cancellation.isRaised { return ExecutableRunner.Outcome(end: .cancelled, standardOutput: .none, standardError: .none) }
    do throws(ExecutableProblem) {
      return try run()
    } catch {
      return ExecutableRunner.Outcome(end: .failedToStart(error.description), standardOutput: .none, standardError: .none)
    }
  }

  private func run() throws(ExecutableProblem) -> ExecutableRunner.Outcome {
    let input = try StandardInput.open(request.standardInput)
    let outputPipe = try OutputPipe.open()
    let errorPipe = try OutputPipe.open()
    var child = try ChildProcess.start(
      request.file, environment: request.environment, input: input, output: outputPipe.writeEnd, error: errorPipe.writeEnd)
    // From here on nothing throws: the program is seen to its end.
    var output = outputPipe.reader()
    var error = errorPipe.reader()
    var phases = RunPhases(started: .now, timeLimit: request.timeLimit, timings: timings)
    var capture = OutputCapture()
    var buffer = [UInt8](repeating: 0, count: Self.readSize)
    onStart(child.id)

    while true {
      child.wait()
      let hasEnded = child.exit != nil
      let step = phases.next(
        RunPhases.Sight(
          now: .now, hasEnded: hasEnded, groupIsAlive: hasEnded && child.groupIsAlive(), pipesAreOpen: output.isOpen || error.isOpen,
          isCancelled: cancellation.isRaised))
      switch step {
      case .terminate: child.signalGroup(SIGTERM)
      case .kill: child.signalGroup(SIGKILL)
      case .wait(let end):
        waitForNews(child, output, error, until: end, isInterrupted: phases.interruption != nil)
        read(&output, .standardOutput, &capture, &buffer)
        read(&error, .standardError, &capture, &buffer)
      case .finish:
        return finish(child.exit, phases.interruption, &capture)
      }
    }
  }

  private func waitForNews(
    _ child: borrowing ChildProcess, _ output: borrowing OutputReader, _ error: borrowing OutputReader, until end: ContinuousClock.Instant?,
    isInterrupted: Bool
  ) {
    // The kernel passes over negative numbers (poll(2)). What has told its news would only wake us again and again.
    var entries = [
      pollfd(fd: child.exit == nil ? child.exitDescriptor.number : -1, events: Int16(POLLIN), revents: 0),
      pollfd(fd: output.isOpen ? output.descriptor.number : -1, events: Int16(POLLIN), revents: 0),
      pollfd(fd: error.isOpen ? error.descriptor.number : -1, events: Int16(POLLIN), revents: 0),
      pollfd(fd: isInterrupted || cancellation.isRaised ? -1 : cancellation.descriptor, events: Int16(POLLIN), revents: 0),
    ]
    var milliseconds: Int32 = -1
    if let end {
      // A millisecond more: rounded down, the last part of it would be waited for in a busy loop.
      milliseconds = Int32(clamping: max(0, ContinuousClock.now.duration(to: end).milliseconds + 1))
    }
    // An interruption (EINTR) is news like any other: the loop looks at everything anyway.
    _ = poll(&entries, nfds_t(entries.count), milliseconds)
  }

  private func read(
    _ reader: inout OutputReader, _ stream: CommandOutput.Stream, _ capture: inout OutputCapture, _ buffer: inout [UInt8]
  ) {
    guard reader.isOpen else { return }
    let count = reader.read(into: &buffer)
    if count > 0 { for piece in capture.take(buffer[..<count], from: stream) { onOutput(stream, piece) } }
  }

  private func finish(_ exit: ChildProcess.Exit?, _ interruption: RunPhases.Interruption?, _ capture: inout OutputCapture)
    -> ExecutableRunner.Outcome
  {
    for stream in [CommandOutput.Stream.standardOutput, .standardError] {
      for piece in capture.end(stream) { onOutput(stream, piece) }
    }
    let (output, error) = capture.result()
    let end: ExecutableRunner.Outcome.End =
      switch (interruption, exit) {
      case (.timedOut, _): .timedOut
      case (.cancelled, _): .cancelled
      case (nil, .signalled(let signal)): .signalled(signal)
      case (nil, .exited(let code)): .exited(code)
      case (nil, .unknown):
        .failedToStart("The program has ended, and the system does not tell how: something else in the agent's process has waited for it")
      case (nil, nil): preconditionFailure("a run ends after its program")
      }
    return ExecutableRunner.Outcome(end: end, standardOutput: output, standardError: error)
  }
}
