/// The options of `spot-optimizer-agent doctor`.
public struct DoctorOptions: Equatable, Sendable {
  /// Whether one JSON object is printed instead of lines (`--json`).
  public var isJSON = false
  /// The archive to write (`--bundle FILE`).
  public var bundle: String?

  /// Lines, and no archive.
  public init() {}
}
