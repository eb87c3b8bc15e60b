import Glibc
import Server
import ServiceRuntime

// Before anything else: every thread that is started later inherits the mask.
Signals.block()

func fail(_ code: Int32, _ message: String) -> Never {
  writeFully("spot-optimizer-server: \(printable(message))\n", to: STDERR_FILENO)
  exit(code)
}

var role: String?
var arguments = CommandLine.arguments.dropFirst()
while let argument = arguments.popFirst() {
  switch argument {
  case "--help", "-h":
    writeFully(ProgramManual.server.help, to: STDOUT_FILENO)
    exit(0)
  case "--version":
    writeFully("spot-optimizer-server \(programVersion)\n", to: STDOUT_FILENO)
    exit(0)
  case "manual":
    writeFully(ProgramManual.server.manualPage, to: STDOUT_FILENO)
    exit(0)
  case "completions":
    guard let shell = arguments.popFirst().flatMap(ProgramManual.Shell.init(rawValue:)) else {
      fail(2, "completions needs a shell: bash, zsh or fish")
    }
    writeFully(ProgramManual.server.completions(shell), to: STDOUT_FILENO)
    exit(0)
  case "--role":
    guard let value = arguments.popFirst() else { fail(2, "--role needs a value: all, worker or http") }
    role = value
  default: fail(2, "unknown argument '\(argument)'; see spot-optimizer-server --help")
  }
}

/// Runs the server until it ends or SIGTERM or SIGINT stops it, and gives the process's exit code. A second signal ends it at once.
func runServer(
  _ configuration: ServerConfiguration, _ logger: Logger, _ logFile: LogFile?, _ serviceManager: ServiceManager
) async -> Int32 {
  let stop = StopRequest()
  return await withTaskGroup(of: Int32?.self) { group in
    group.addTask {
      for await signal in Signals.termination() {
        if stop.isRequested { _exit(128 + signal) }
        logger.info("Stopping (signal \(signal)): finishing what is under way")
        stop.request()
        await serviceManager.stopping()
      }
      return nil
    }
    group.addTask {
      await logFile?.reopenAtHangUps()
      return nil
    }
    group.addTask {
      do {
        try await Server(configuration, logger: logger, serviceManager: serviceManager).run(until: stop)
        return 0
      } catch let error as ConfigurationError {
        logger.error("\(error)")
        return 2
      } catch {
        logger.error("\(error)")
        return 1
      }
    }
    defer { group.cancelAll() }
    while let ended = await group.next() {
      if let code = ended { return code }
    }
    return 0
  }
}

do throws(ConfigurationError) {
  let configuration = try ServerConfiguration(.process, role: role)
  let file = try configuration.logFile.map { path throws(ConfigurationError) in try LogFile(path) }
  let logger = Logger(level: configuration.logLevel, format: configuration.logFormat, program: "spot-optimizer-server", file: file)
  let serviceManager = try ServiceManager(.process, log: logger)
  // A service has no terminal whose end would be meant for it: what rotates its log must not end it, whether it has a file or not.
  if file != nil || serviceManager.isThere { Signals.blockHangUp() }
  logger.info("spot-optimizer-server \(programVersion) starts (role \(configuration.role.rawValue))")
  exit(runProgram { await runServer(configuration, logger, file, serviceManager) })
} catch {
  fail(2, "\(error)")
}
