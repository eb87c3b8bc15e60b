import FleetProtocol
import Glibc
import MySQL
import Server
import ServiceRuntime

/// Runs one command line.
struct Tool {
  let environment: Environment

  /// Does what `words` (without the program's name) ask, prints it, and returns the exit code: one of `ExitCode`, or that of a command that was followed.
  func run(_ words: [String]) async -> Int32 {
    do {
      switch try Parser().parse(words) {
      case .help(let path): writeFully(Help().text(path), to: STDOUT_FILENO)
      case .run(let invocation):
        do {
          try await Interruption.watch { try await run(invocation) }
        } catch let interrupted as Interrupted {
          guard Self.isEndless(invocation) else { throw interrupted }
        }
      }
      return ExitCode.done.rawValue
    } catch let end as CommandsOwnEnd {
      return end.exitCode
    } catch let interrupted as Interrupted {
      return 128 + interrupted.signal
    } catch let error as OutputError where error.isUnread {
      return OutputError.nobodyReads
    } catch {
      let failure = Self.explain(error)
      writeFully("spotctl: \(failure)\n", to: STDERR_FILENO)
      return failure.code.rawValue
    }
  }

  private static func isEndless(_ invocation: Invocation) -> Bool {
    CommandSpec.all.contains { spec in
      spec.path == invocation.path && spec.endlessWith.map { invocation.switches.contains($0) } ?? false
    }
  }

  private func run(_ invocation: Invocation) async throws {
    guard let spec = CommandSpec.all.first(where: { $0.path == invocation.path }) else {
      preconditionFailure("the parser knows only the table's commands")
    }
    let terminal = Terminal(isJSON: invocation.switches.contains("--json"))
    switch spec.work {
    case .alone(let work): try await work(invocation, environment, terminal)
    case .onDatabase(let work):
      let settings = try DatabaseSettings(environment)
      for warning in settings.warnings { terminal.remark(warning) }
      let pool = settings.pool()
      do {
        try await work(invocation, Workplace(pool: pool, environment: environment, terminal: terminal))
      } catch {
        await pool.close()
        throw error
      }
      await pool.close()
    }
  }

  /// Every error as a code and a text that says what to do.
  static func explain(_ error: any Error) -> Failure {
    switch error {
    case let failure as Failure: return failure
    case let error as UsageError: return Failure(.usage, "\(error)")
    case let error as ConfigurationError: return Failure(.usage, "\(error)")
    case let error as TargetSyntaxError: return Failure(.usage, "\(error)")
    case let error as ChangeError: return Failure(.usage, "\(error)")
    case let error as MySQLError:
      if [.connect, .connectionLost, .unknownOutcome, .poolTimeout].contains(error.kind) {
        return Failure(.cannotReach, "\(error) (check DB_HOST, DB_PORT, DB_USER, DB_PASSWORD and DB_NAME)")
      }
      // No such table, no such column.
      if [1146, 1054].contains(error.code) { return Failure(.failed, "\(error); bring the tables up to date with: spotctl migrate") }
      return Failure(.failed, "\(error)")
    default: return Failure(.failed, "\(error)")
    }
  }
}
