/// How many of a rollout's targets stand how. Each target is in one of these at a time.
public struct RolloutCounts: Sendable, Equatable {
  /// No command of theirs is under way; they are to get one.
  public var waiting = 0
  /// A command of theirs is under way.
  public var sent = 0
  /// Their command succeeded.
  public var succeeded = 0
  /// It failed.
  public var failed = 0
  /// It did not end within its time.
  public var timedOut = 0
  /// Somebody cancelled it.
  public var cancelled = 0
  /// The rollout was cancelled before they had it.
  public var calledOff = 0
  /// They did not come online for as long as the rollout lived.
  public var givenUp = 0
  /// The agents were deleted.
  public var gone = 0

  /// None.
  public init() {}

  /// All of them.
  public var total: Int { waiting + sent + ended }
  /// Those of which nothing more will come.
  public var ended: Int { succeeded + errors + calledOff + givenUp + gone }
  /// Those whose last command ended badly.
  public var errors: Int { failed + timedOut + cancelled }
  /// Those that ran their command: what there is to judge by.
  public var evidence: Int { succeeded + errors }

  /// The count of one state.
  public subscript(state: RolloutTargetState) -> Int {
    get {
      switch state {
      case .waiting: waiting
      case .sent: sent
      case .succeeded: succeeded
      case .failed: failed
      case .timedOut: timedOut
      case .cancelled: cancelled
      case .calledOff: calledOff
      case .givenUp: givenUp
      case .gone: gone
      }
    }
    set {
      switch state {
      case .waiting: waiting = newValue
      case .sent: sent = newValue
      case .succeeded: succeeded = newValue
      case .failed: failed = newValue
      case .timedOut: timedOut = newValue
      case .cancelled: cancelled = newValue
      case .calledOff: calledOff = newValue
      case .givenUp: givenUp = newValue
      case .gone: gone = newValue
      }
    }
  }

  /// Moves `count` targets from one state to another.
  mutating func move(_ count: Int, from old: RolloutTargetState, to new: RolloutTargetState) {
    self[old] -= count
    self[new] += count
  }
}
