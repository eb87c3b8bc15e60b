import Agent
import Glibc
import ServiceRuntime

Signals.block()

switch Arguments(Array(CommandLine.arguments.dropFirst())) {
case .help:
  writeFully(Arguments.usage, to: STDOUT_FILENO)
  exit(AgentExit.stopped.rawValue)
case .version:
  writeFully("spot-optimizer-agent \(programVersion)\n", to: STDOUT_FILENO)
  exit(AgentExit.stopped.rawValue)
case .manual:
  writeFully(ProgramManual.agent.manualPage, to: STDOUT_FILENO)
  exit(AgentExit.stopped.rawValue)
case .completions(let shell):
  writeFully(ProgramManual.agent.completions(shell), to: STDOUT_FILENO)
  exit(AgentExit.stopped.rawValue)
case .unknown(let argument):
  writeFully("spot-optimizer-agent: unknown argument '\(printable(argument))'\n\n\(Arguments.usage)", to: STDERR_FILENO)
  exit(AgentExit.badConfiguration.rawValue)
case .run:
  do throws(ConfigurationError) {
    let settings = try AgentSettings(.process)
    let file = try settings.logFile.map { path throws(ConfigurationError) in try LogFile(path) }
    let log = Logger(level: settings.logLevel, format: settings.logFormat, program: "spot-optimizer-agent", file: file)
    let manager = try ServiceManager(.process, log: log)
    // A service has no terminal whose end would be meant for it: what rotates its log must not end it, whether it has a file or not.
    if file != nil || manager.isThere { Signals.blockHangUp() }
    let agent = Agent(settings, log: log, serviceManager: manager)
    exit(runProgram { await AgentProcess.run(agent, log: log, logFile: file, serviceManager: manager) })
  } catch {
    Logger(level: .error).error("Configuration: \(error)")
    exit(AgentExit.badConfiguration.rawValue)
  }
}
