import FleetProtocol
import MySQL
import ServiceRuntime

/// Takes rollouts on: in every server process, all of them at once on the same rollouts. Each step is a transaction under the lock of the rollout's row, so
/// that together they never exceed its window, and one that dies leaves nothing half done.
struct RolloutCoordinator: Sendable {
  /// How often it looks by itself: for agents that came online, for what another server's inbox has ended, and for rollouts whose time has come.
  static let interval = Duration.seconds(1)
  /// It sleeps at least so many times as long as an idle look took: rollouts that wait for many agents cost the database little.
  static let idleShare = 20
  /// How often agents that were deleted or are to be given up are looked for.
  static let thoroughInterval = Duration.seconds(5)

  let store: RolloutStore
  let commands: CommandStore
  let signals: WorkSignals
  let logger: Logger

  /// Works until the task is cancelled; a step under way is then finished or undone by the database.
  func run() async throws {
    let database = DatabaseRetry(logger: logger)
    var nextThorough = ContinuousClock.now
    while true {
      let start = ContinuousClock.now
      let isThorough = nextThorough <= start
      if isThorough { nextThorough = start + Self.thoroughInterval }
      let isBusy = try await look(isThorough, database)
      let took = start.duration(to: .now)
      // As long as it took at least, also when it is woken all the time: much may have ended meanwhile, and together it costs one step.
      try await Task.sleep(for: min(took, Self.interval))
      if !isBusy { try await signals.rollouts.wait(upTo: max(Self.interval, took * Self.idleShare)) }
    }
  }

  /// One look at every rollout that may have something to do; whether any had.
  private func look(_ isThorough: Bool, _ database: DatabaseRetry) async throws -> Bool {
    var isBusy = false
    for rollout in try await database.run({ try await store.due() }) {
      do {
        if rollout.cancelsRunning, try await callOff(rollout.id, database) { isBusy = true }
        if rollout.state == .preparing {
          try await prepare(rollout.id, database)
          isBusy = true
        } else if try await advance(rollout, isThorough, database) {
          isBusy = true
        }
      } catch let error where error is StoreError || error is MessageError || error is RowError || error is MySQLError {
        // One row that somebody has spoiled, or a lock that was not to be had, must not hold up the others.
        if isThorough { logger.error("Rollout \(rollout.id) cannot go on, it is tried again: \(error)") }
      }
    }
    return isBusy
  }

  private func prepare(_ id: String, _ database: DatabaseRetry) async throws {
    do {
      try await database.run { try await store.prepare(id) }
      logger.info("Rollout \(id): finished the preparation that somebody had begun")
    } catch let error as TargetSyntaxError {
      logger.error("Rollout \(id) is cancelled: \(error)")
      _ = try await database.run { try await store.cancel(id, keepRunning: true, reason: "\(error)") }
    }
    signals.events.raise()
  }

  /// Calls its commands off that are under way. By itself and not in the step: there commands are locked after agents, which a step must not wait for.
  private func callOff(_ id: String, _ database: DatabaseRetry) async throws -> Bool {
    let counts = try await database.run { try await commands.requestCancel(rolloutID: id) }
    guard counts.cancelled + counts.requested > 0 else { return false }
    signals.cancels.raise()
    signals.events.raise()
    logger.info("Rollout \(id): \(counts.cancelled) commands cancelled before they were sent, \(counts.requested) agents are told")
    return true
  }

  private func advance(_ due: RolloutStore.Due, _ isThorough: Bool, _ database: DatabaseRetry) async throws -> Bool {
    var isBusy = false
    while true {
      let step = try await database.run { try await store.step(due.id, isThorough: isThorough) }
      tell(step, due.id)
      isBusy = isBusy || !step.didNothing
      guard step.hasMore else { return isBusy }
    }
  }

  private func tell(_ step: RolloutStep, _ id: String) {
    if step.started > 0 {
      signals.dispatch.raise()
      signals.events.raise()
      logger.debug("Rollout \(id): \(step.started) commands written")
    }
    guard !step.events.isEmpty else { return }
    signals.events.raise()
    for event in step.events {
      let line = "Rollout \(id) \(event.dropFirst("rollout.".count))\(step.reason.map { ": \($0)" } ?? "")"
      if event == "rollout.paused" { logger.warning(line) } else { logger.info(line) }
    }
  }
}
