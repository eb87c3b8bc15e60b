import Glibc
import ServiceRuntime

/// An agent as a process: it runs until it ends or a signal stops it.
public enum AgentProcess {
  /// How long a stop may take before the process just ends: an interrupted login at a broker that does not answer cannot be waited for.
  static let stopLimit = Duration.milliseconds(4500)

  /// Runs an agent and returns the process's exit code. `Signals.block()` must have been called first thing in `main`.
  ///
  /// SIGTERM and SIGINT stop the agent. A second signal, or a stop that takes too long, ends the process from here. SIGHUP reopens `logFile`, for
  /// which `Signals.blockHangUp` must have been called.
  public static func run(
    _ agent: Agent, log: Logger, logFile: LogFile? = nil, serviceManager: ServiceManager = .none
  ) async -> Int32 {
    let isStopping = Observed(false)
    return await withTaskGroup(of: Int32?.self) { group in
      group.addTask { await agent.run().rawValue }
      group.addTask {
        await obeySignals(agent, isStopping, log, serviceManager)
        return nil
      }
      group.addTask {
        await limitStop(isStopping, log)
        return nil
      }
      group.addTask {
        await logFile?.reopenAtHangUps()
        return nil
      }
      defer { group.cancelAll() }
      while let ended = await group.next() {
        if let code = ended {
          if isStopping.value { log.info("Stopped") }
          return code
        }
      }
      return AgentExit.stopped.rawValue
    }
  }

  private static func obeySignals(
    _ agent: Agent, _ isStopping: Observed<Bool>, _ log: Logger, _ serviceManager: ServiceManager
  ) async {
    for await signal in Signals.termination() {
      if isStopping.value {
        log.warning("\(name(signal)) again: ending at once")
        _exit(128 + signal)
      }
      log.info("\(name(signal)): stopping")
      isStopping.update { $0 = true }
      agent.stop()
      await serviceManager.stopping()
    }
  }

  private static func limitStop(_ isStopping: Observed<Bool>, _ log: Logger) async {
    do {
      try await isStopping.wait { $0 }
      try await Task.sleep(for: stopLimit)
    } catch {
      // Cancelled: the agent has stopped in time.
      return
    }
    log.warning("The agent has not stopped within \(stopLimit.inSeconds)s and ends now; what it had not acknowledged will come again")
    _exit(AgentExit.stopped.rawValue)
  }

  private static func name(_ signal: Int32) -> String { signal == SIGTERM ? "SIGTERM" : signal == SIGINT ? "SIGINT" : "signal \(signal)" }
}
