/// How patient a run is; in one place so that tests can shorten it.
struct RunTimings: Sendable, Equatable {
  /// Between TERM and KILL.
  var grace = Duration.seconds(5)
  /// For what is left in the group when the program itself has ended: a `tee` or a pipe's last words.
  var linger = Duration.seconds(1)
  /// For output that nobody of the group can add to any more.
  var drain = Duration.milliseconds(200)
  /// How often is looked whether the group is empty, which the kernel tells nobody.
  var groupCheck = Duration.milliseconds(50)
}

/// Decides when a run's process group is told to end, made to end, and when the run is over: a value that needs neither process nor clock.
struct RunPhases: Sendable {
  /// What is known at a moment.
  struct Sight: Sendable {
    var now: ContinuousClock.Instant
    /// The program itself has ended.
    var hasEnded: Bool
    /// Something is left in its process group; looked at only when it has ended.
    var groupIsAlive: Bool
    /// Somebody may still write to one of its pipes.
    var pipesAreOpen: Bool
    /// The task was cancelled.
    var isCancelled: Bool
  }

  /// What to do next.
  enum Step: Sendable, Equatable {
    /// Wait for something to happen, until then at most.
    case wait(until: ContinuousClock.Instant?)
    /// Send TERM to the group, then look again.
    case terminate
    /// Send KILL to the group, then look again.
    case kill
    /// Read nothing more: it is over.
    case finish
  }

  /// Why it did not end by itself.
  enum Interruption: Sendable, Equatable { case timedOut, cancelled }

  private enum Phase: Sendable {
    case running
    case lingering(until: ContinuousClock.Instant)
    case terminating(until: ContinuousClock.Instant)
    case killed(until: ContinuousClock.Instant)
    case draining(until: ContinuousClock.Instant)
  }

  private let deadline: ContinuousClock.Instant
  private let timings: RunTimings
  private var phase = Phase.running

  /// Set when the program was told to end before it had.
  private(set) var interruption: Interruption?

  init(started: ContinuousClock.Instant, timeLimit: Duration, timings: RunTimings) {
    deadline = started + timeLimit
    self.timings = timings
  }

  /// What to do at this moment.
  mutating func next(_ sight: Sight) -> Step {
    let isOver = sight.hasEnded && !sight.groupIsAlive
    switch phase {
    case .running:
      if sight.hasEnded {
        phase = .lingering(until: sight.now + timings.linger)
        return next(sight)
      }
      if !sight.isCancelled && sight.now < deadline { return .wait(until: deadline) }
      interruption = sight.isCancelled ? .cancelled : .timedOut
      return terminate(sight)

    case .lingering(let end):
      if isOver && !sight.pipesAreOpen { return .finish }
      if sight.now < end && !(sight.isCancelled && sight.groupIsAlive) { return wait(until: end, sight) }
      // Whoever is in another session and holds a pipe is not waited for.
      return sight.groupIsAlive ? terminate(sight) : .finish

    case .terminating(let end):
      if isOver { return drain(sight) }
      if sight.now < end { return wait(until: end, sight) }
      phase = .killed(until: sight.now + timings.linger)
      return .kill

    case .killed(let end):
      if isOver { return drain(sight) }
      // A program that the kernel does not let go is waited for: as long as it is there, it has not ended.
      if !sight.hasEnded { return .wait(until: nil) }
      return sight.now < end ? wait(until: end, sight) : drain(sight)

    case .draining(let end):
      return sight.pipesAreOpen && sight.now < end ? .wait(until: end) : .finish
    }
  }

  private mutating func terminate(_ sight: Sight) -> Step {
    phase = .terminating(until: sight.now + timings.grace)
    return .terminate
  }

  private mutating func drain(_ sight: Sight) -> Step {
    phase = .draining(until: sight.now + timings.drain)
    return next(sight)
  }

  /// The program's end wakes the run; that its group is empty has to be looked for.
  private func wait(until end: ContinuousClock.Instant, _ sight: Sight) -> Step {
    .wait(until: sight.hasEnded && sight.groupIsAlive ? min(end, sight.now + timings.groupCheck) : end)
  }
}
