import FleetProtocol
import ServiceRuntime

/// Runs executables of the commands folder: each in a session and process group of its own, watched by a thread of its own.
///
/// The program has three descriptors, no blocked or ignored signal and exactly the environment of the request. Its working directory is the
/// commands folder. Standard input holds the request's bytes and then ends.
///
/// What a program leaves in its process group ends with it: a second after the program itself has ended, what is left is told to (TERM) and after the
/// grace made to (KILL). Only what moves to another session on purpose (`setsid`, `systemd-run`) lives on; its output is not waited for.
struct ExecutableRunner: Sendable {
  /// What to run, and how.
  struct Request: Sendable {
    /// The executable.
    let file: ExecutableFile
    /// What it reads from standard input.
    let standardInput: [UInt8]
    /// Its whole environment; see `CommandEnvironment`.
    let environment: [String: String]
    /// How long it may run.
    let timeLimit: Duration
  }

  /// How it went.
  struct Outcome: Sendable, Equatable {
    /// How a run ended.
    enum End: Sendable, Equatable {
      /// By itself, with this exit code.
      case exited(Int32)
      /// By a signal that was not ours.
      case signalled(Int32)
      /// It was killed at its time limit.
      case timedOut
      /// It was killed, or not begun, because the task was cancelled.
      case cancelled
      /// It never ran, or nobody knows how it went: the problem and its remedy.
      case failedToStart(String)
    }

    let end: End
    let standardOutput: CapturedOutput
    let standardError: CapturedOutput
  }

  private let timings: RunTimings

  init(timings: RunTimings = RunTimings()) { self.timings = timings }

  /// Runs a program to its end. Cancelling the task TERMs its process group, KILLs it after the grace and returns `.cancelled`; a program that has ended
  /// by itself before keeps its end.
  ///
  /// `onStart` and `onOutput` are called on the run's own thread, one after the other; while they work, nothing is read. `onOutput` gets pieces of
  /// whole characters (UTF-8, repaired, without NUL), `MessageLimits.outputPieceBytes` at most.
  func run(
    _ request: Request, onStart: @escaping @Sendable (_ processGroup: Int32) -> Void = { _ in },
    onOutput: @escaping @Sendable (CommandOutput.Stream, [UInt8]) -> Void = { _, _ in }
  ) async -> Outcome {
    let cancellation: RunCancellation
    do throws(ExecutableProblem) {
      cancellation = try RunCancellation()
    } catch {
      return Outcome(end: .failedToStart(error.description), standardOutput: .none, standardError: .none)
    }
    return await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        startThread(name: "command") {
          let run = ProcessRun(request: request, timings: timings, cancellation: cancellation, onStart: onStart, onOutput: onOutput)
          continuation.resume(returning: run.outcome())
        }
      }
    } onCancel: {
      cancellation.raise()
    }
  }
}
