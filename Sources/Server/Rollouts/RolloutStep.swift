/// What one step of a rollout did.
public struct RolloutStep: Sendable, Equatable {
  /// Targets whose command has ended, or has been found to have ended otherwise.
  public var collected = 0
  /// Commands that were written.
  public var started = 0
  /// Other targets that have changed: called off, given up, to be tried again.
  public var moved = 0
  /// Events that were written.
  public var events: [String] = []
  /// Why the rollout stands as it does, when this step has changed that.
  public var reason: String?
  /// Whether another step would find more to do at once.
  public var hasMore = false

  /// One that did nothing.
  public init() {}

  /// Whether it changed anything.
  public var didNothing: Bool { collected + started + moved == 0 && events.isEmpty }
}
