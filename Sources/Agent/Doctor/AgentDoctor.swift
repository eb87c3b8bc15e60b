import Diagnosis
import ServiceRuntime

/// Follows this machine's way into the fleet, from its variables to a heartbeat in the server's table: `spot-optimizer-agent doctor`.
///
/// Works with the agent's own parts, and beside a running agent of the same name without touching it: it asks what a registration would bring (`RegistrationProbe`)
/// and registers nobody, looks at the agent's queue and takes nothing from it, and keeps no credential. It goes on after a failure wherever it can.
public struct AgentDoctor: Sendable {
  /// How long things may take.
  struct Limits: Sendable {
    /// Each connection.
    var connect = Duration.seconds(10)
    /// Each answer of the server.
    var answer = Duration.seconds(20)
    /// A heartbeat's way into the table.
    var heartbeat = Duration.seconds(30)
  }

  let environment: Environment
  let limits: Limits

  /// A doctor over the agent's variables.
  public init(_ environment: Environment) { self.init(environment, limits: Limits()) }

  init(_ environment: Environment, limits: Limits) {
    self.environment = environment
    self.limits = limits
  }

  /// Looks at everything: a second when all is well, a time-out each where nobody answers. `tell` gets each finding when it is made.
  ///
  /// Throws `CancellationError` only.
  public func examine(tell: @escaping @Sendable (Finding) -> Void = { _ in }) async throws -> DiagnosisReport {
    var examination = Examination(self, tell: tell)
    do {
      try await examination.lookAtEverything()
    } catch {
      await examination.end()
      throw error
    }
    await examination.end()
    return examination.report
  }
}
