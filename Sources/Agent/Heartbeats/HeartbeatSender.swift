import AMQP
import FleetProtocol
import ServiceRuntime

/// Sends the agent's heartbeats on one channel. All it needs of the server is an agent id, once: it goes on without a queue and without a server.
struct HeartbeatSender: Sendable {
  private let context: AgentContext
  private let publisher: InboxPublisher

  init(_ context: AgentContext, _ publisher: InboxPublisher) {
    self.context = context
    self.publisher = publisher
  }

  /// Sends until the channel is gone or the task is cancelled.
  func run() async throws {
    while true {
      let registration = try await context.membership.first { $0.voice }
      let interval = context.settings.heartbeatInterval ?? .seconds(registration.heartbeatIntervalSeconds)
      let due = context.heartbeats.withLock { $0.next(interval: interval, now: .now, chance: Double.random(in: 0..<1)) }
      try await Task.sleep(until: due, clock: .continuous)
      // It may have changed, or gone, while this task slept.
      guard let current = context.membership.value.voice else { continue }
      let isSent = try await publisher.publishPatiently(.heartbeat, agentID: current.agentID, givesUpAfterThree: true) {
        // An agent that stops is not online any more, whichever of its last heartbeats comes last.
        heartbeat(context.stop.value ? .offline : context.configuration.withLock { $0.status }, current)
      }
      context.heartbeats.withLock { $0.sent(interval: interval, now: .now) }
      if isSent { context.log.debug("\(context.name) sent a heartbeat; the next is due within \(interval.inSeconds)s") }
    }
  }

  /// The last heartbeat of a process that stops.
  func sayFarewell() async {
    guard let registration = context.membership.value.voice else { return }
    do {
      try await publisher.publish(
        heartbeat(.offline, registration), .heartbeat, agentID: registration.agentID, timeout: context.timings.farewellTimeout)
      context.log.info("\(context.name) said that it is offline")
    } catch {
      context.log.warning("\(context.name) could not say that it is offline: \(error); the server will notice by its silence")
    }
  }

  private func heartbeat(_ status: AgentStatus, _ registration: RegistrationReply) -> Heartbeat {
    let instance = context.metadata
    return Heartbeat(
      agentID: registration.agentID, status: status, monitoredInstances: instance.instanceID.map { [$0] } ?? [],
      instanceID: instance.instanceID, instanceType: instance.instanceType, mode: instance.mode == .unknown ? nil : instance.mode,
      az: instance.availabilityZone, generation: registration.generation, configVersion: context.configuration.withLock { $0.version },
      sentAt: context.clock.now())
  }
}
