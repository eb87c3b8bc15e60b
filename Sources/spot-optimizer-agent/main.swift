import Agent
import Glibc
import ServiceRuntime

let arguments = Arguments(Array(CommandLine.arguments.dropFirst()))
// Before any thread is there. The doctor lets Ctrl-C end it at once, for it has nothing to finish.
if case .doctor = arguments { Signals.ignoreBrokenPipes() } else { Signals.block() }

switch arguments {
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
case .doctorHelp:
  writeFully(Arguments.doctorUsage, to: STDOUT_FILENO)
  exit(AgentExit.stopped.rawValue)
case .doctor(let options):
  exit(runProgram { await DoctorProcess.run(options, .process) })
case .incomplete(let problem):
  writeFully("spot-optimizer-agent: \(problem)\n\n\(Arguments.usage)", to: STDERR_FILENO)
  exit(AgentExit.badConfiguration.rawValue)
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
