import Agent
import Glibc
import ServiceRuntime

// `dying-agent STEP COUNT`: an agent on the environment of a real one, which kills itself (SIGKILL) at the COUNTth time that a command comes to this
// step. For `AgentCrashTests`; no part of what is shipped.
Signals.block()

let arguments = CommandLine.arguments
guard arguments.count == 3, let step = JournalStep(rawValue: arguments[1]), let count = Int(arguments[2]), count > 0 else {
  let steps = JournalStep.allCases.map(\.rawValue).joined(separator: ", ")
  writeFully("usage: dying-agent STEP COUNT; steps are \(steps)\n", to: STDERR_FILENO)
  exit(AgentExit.badConfiguration.rawValue)
}
do throws(ConfigurationError) {
  let settings = try AgentSettings(.process)
  let log = Logger(level: settings.logLevel)
  let left = Lock(count)
  let agent = Agent(settings, log: log) { reached in
    guard reached == step else { return }
    let isTime = left.withLock { left in
      left -= 1
      return left == 0
    }
    if isTime { kill(getpid(), SIGKILL) }
  }
  exit(runProgram { await AgentProcess.run(agent, log: log) })
} catch {
  Logger(level: .error).error("Configuration: \(error)")
  exit(AgentExit.badConfiguration.rawValue)
}
