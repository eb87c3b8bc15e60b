/// Which parts of the server a process runs (`SPOT_OPTIMIZER_SERVER_ROLE`, `--role`).
public enum ServerRole: String, Sendable, CaseIterable {
  /// Worker and front in one process.
  case all
  /// What consumes, dispatches and watches presence.
  case worker
  /// The HTTP front.
  case http

  /// Whether the process consumes from the broker and dispatches commands.
  public var runsWorker: Bool { self != .http }
  /// Whether the process answers HTTP.
  public var runsFront: Bool { self != .worker }
}
