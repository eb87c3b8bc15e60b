import Glibc
import ServiceRuntime

/// An agent as a process: it runs until it ends or a signal stops it.
public enum AgentProcess {
  /// How long a stop may take before the process just ends: an interrupted login at a broker that does not answer cannot be waited for.
  static let stopLimit = Duration.milliseconds(4500)

  /// Runs an agent and returns the process's exit code. `Signals.block()` must have been called first thing in `main`.
  ///
  /// SIGTERM and SIGINT stop the agent. A second signal, or a stop that takes too long, ends the process from here.
  public static func run(_ agent: Agent, log: Logger) async -> Int32 {
    let stop = Observed(false)
    return await withTaskGroup(of: Int32?.self) { group in
      group.addTask { await run(agent, until: stop).rawValue }
      group.addTask {
        await obeySignals(stop, log)
        return nil
      }
      group.addTask {
        await limitStop(stop, log)
        return nil
      }
      defer { group.cancelAll() }
      while let ended = await group.next() {
        if let code = ended { return code }
      }
      return AgentExit.stopped.rawValue
    }
  }

  private static func run(_ agent: Agent, until stop: Observed<Bool>) async -> AgentExit {
    await withTaskGroup(of: AgentExit?.self) { group in
      group.addTask { await agent.run() }
      group.addTask {
        // Cancelled when the agent has ended by itself.
        try? await stop.wait { $0 }
        return nil
      }
      defer { group.cancelAll() }
      while let ended = await group.next() {
        if let ended { return ended }
        group.cancelAll()
      }
      return .stopped
    }
  }

  private static func obeySignals(_ stop: Observed<Bool>, _ log: Logger) async {
    for await signal in Signals.termination() {
      if stop.value {
        log.warning("\(name(signal)) again: ending at once")
        _exit(128 + signal)
      }
      log.info("\(name(signal)): stopping")
      stop.update { $0 = true }
    }
  }

  private static func limitStop(_ stop: Observed<Bool>, _ log: Logger) async {
    do {
      try await stop.wait { $0 }
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
