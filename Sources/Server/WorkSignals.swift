import ServiceRuntime

/// What wakes the parts of this process that work off what was committed. Each also looks by itself once in a while, for what others have written.
struct WorkSignals: Sendable {
  /// Commands may wait to be sent.
  let dispatch = Signal()
  /// Cancellations may wait to be sent: apart, so that no backlog of commands holds one up.
  let cancels = Signal()
  /// Events may wait to be published.
  let events = Signal()
  /// A rollout may go on.
  let rollouts = Signal()

  /// Everything but `dispatch`, whose turn comes at once: somebody else wrote something and did not say what.
  func raiseBesidesDispatch() {
    cancels.raise()
    events.raise()
    rollouts.raise()
  }
}
