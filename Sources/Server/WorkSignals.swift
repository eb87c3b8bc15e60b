import ServiceRuntime

/// What wakes the parts of this process that work off what was committed. Each also looks by itself once in a while, for what others have written.
struct WorkSignals: Sendable {
  /// Commands may wait to be sent or cancelled.
  let dispatch = Signal()
  /// Events may wait to be published.
  let events = Signal()
  /// A rollout may go on.
  let rollouts = Signal()

  /// Everything: somebody else wrote something and did not say what.
  func raiseAll() {
    dispatch.raise()
    events.raise()
    rollouts.raise()
  }
}
