import Diagnosis
import ServiceRuntime

/// Looks at an installation from the operator's machine, over the server's own environment: `spotctl doctor`.
///
/// Changes nothing but for two messages that wake dispatchers, which is how it sees whether the broker takes any, and a key pair in a temporary folder, with which
/// it sees that the broker refuses a stranger's. It goes on after a failure wherever it can.
public struct Doctor: Sendable {
  /// How long connecting to the database or the broker may take, each.
  static let connectLimit = Duration.seconds(5)

  let environment: Environment
  let rabbitmqctl: String?

  /// A doctor over these variables. `rabbitmqctl` is how to call that tool on the broker, as words of a shell; without it this machine's own is
  /// used when the broker is here, and else what only it can tell is left out or inferred.
  public init(_ environment: Environment, rabbitmqctl: String?) {
    self.environment = environment
    self.rabbitmqctl = rabbitmqctl
  }

  /// Looks at everything, some ten seconds long. `tell` gets each finding when it is made. Throws `CancellationError` only.
  public func examineInstallation(tell: @escaping @Sendable (Finding) -> Void = { _ in }) async throws -> DiagnosisReport {
    try await examine(tell) { examination in
      try await examination.lookAtDatabase()
      try await examination.lookAtBroker()
      try await examination.lookAtCredentials()
      try await examination.lookAtQueues()
      try await examination.lookAtServers()
      try await examination.lookAtFleet()
    }
  }

  /// Follows the authentication chain of one agent: `name` is its id or its logical id, `client` its client's id or name.
  public func examineAgent(
    _ name: String, client: String? = nil, tell: @escaping @Sendable (Finding) -> Void = { _ in }
  ) async throws -> DiagnosisReport {
    try await examine(tell) { examination in try await examination.lookAtAgent(name, client: client) }
  }

  private func examine(
    _ tell: @escaping @Sendable (Finding) -> Void, _ body: (inout Examination) async throws -> Void
  ) async throws -> DiagnosisReport {
    var examination = Examination(self, tell: tell)
    examination.lookAtVariables()
    do {
      try await body(&examination)
    } catch {
      await examination.end()
      throw error
    }
    await examination.end()
    return examination.report
  }
}
