import Diagnosis
import FleetProtocol
import ServiceRuntime

extension Examination {
  /// How long credentials last unless the server says otherwise (`BROKER_CREDENTIAL_TTL`).
  private static let usualLifetime = Duration.seconds(86_400)

  /// Asks for a credential as the agent does, and keeps it to itself. When the server has none to give, what follows is looked at with the one on disk.
  mutating func lookAtCredential() async throws {
    let check = "credential"
    guard let settings else { return skip(["clock", check], because: "the variables cannot be used") }
    if let bad = trouble("SPOT_OPTIMIZER_CLIENT_TOKEN", "LOGICAL_AGENT_ID", "SPOT_OPTIMIZER_SERVER_URL") {
      lookAtClock(healthDate, uncertainty: .milliseconds(500), lifetime: Self.usualLifetime)
      credentialTrouble = bad
      return report.skip(check, because: bad)
    }
    if let serverTrouble {
      lookAtClock(healthDate, uncertainty: .milliseconds(500), lifetime: Self.usualLifetime)
      report.skip(check, because: serverTrouble)
      credentialTrouble = serverTrouble
      return useStored(settings)
    }
    let api = ServerAPI(settings, timings: timings)
    defer { api.close() }
    let started = ContinuousClock.now
    do throws(ServerFailure) {
      let (reply, reading) = try await api.credential(for: logicalAgentID)
      let took = started.duration(to: .now)
      lookAtClock(reading, uncertainty: took / 2, lifetime: .seconds(reply.credentialTTLSeconds))
      try take(reply, settings, took: took)
    } catch {
      try Task.checkCancellation()
      // Once: an answer that cannot be used came with the clock already.
      if !report.findings.contains(where: { $0.check == "clock" }) {
        lookAtClock(healthDate, uncertainty: .milliseconds(500), lifetime: Self.usualLifetime)
      }
      report.add(CredentialFinding.refusal(error, token: settings.clientToken.preview))
      credentialTrouble = "the server gives no credential"
      guard !error.isAuthentication else { return report.skip(check, because: "the client token is refused") }
      useStored(settings)
    }
  }

  private mutating func lookAtClock(_ reading: ClockReading?, uncertainty: Duration, lifetime: Duration) {
    guard let reading else { return report.skip("clock", because: "the server's clock could not be read") }
    _ = clock.set(reading)
    report.add(ClockFinding.finding(error: clock.error, uncertainty: uncertainty, lifetime: lifetime))
  }

  private mutating func take(_ reply: CredentialReply, _ settings: AgentSettings, took: Duration) throws(ServerFailure) {
    let address = try source(settings, store: nil).address(of: reply)
    credential = (reply, address)
    report.add(.pass("client token", "\(settings.clientToken.preview) is that of the client '\(printable(reply.clientID))'"))
    report.add(CredentialFinding.given(reply, now: clock.now(), took: took))
  }

  private func source(_ settings: AgentSettings, store: CredentialStore?) -> CredentialSource {
    CredentialSource(
      settings: settings, timings: timings, logicalAgentID: logicalAgentID, store: store, clock: clock, log: Logger(level: .error) { _ in })
  }

  /// The one that the agent keeps for when the server is away.
  private mutating func useStored(_ settings: AgentSettings) {
    let check = "stored credential"
    guard trouble("SPOT_OPTIMIZER_STATE_DIR") == nil, let folder = settings.stateFolder else {
      return report.skip(check, because: "there is no state folder")
    }
    do {
      let store = try CredentialStore(
        folder, serverURL: settings.serverURL, token: settings.clientToken, logicalAgentID: logicalAgentID)
      let source = source(settings, store: store)
      guard let reply = source.stored() else {
        if case .unusable(let reason) = store.load() { return report.skip(check, because: reason) }
        return report.skip(check, because: "none is on disk that is still valid")
      }
      credential = (reply, try source.address(of: reply))
      report.add(.pass(check, "valid until \(reply.expiresAt.localText); what follows is looked at with it"))
    } catch {
      report.skip(check, because: "\(error)")
    }
  }
}
