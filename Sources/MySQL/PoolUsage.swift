/// Who has what of a pool's connections at one moment.
public struct PoolUsage: Sendable, Equatable {
  /// Connections that it may have.
  public let size: Int
  /// Connections that are lent.
  public let inUse: Int
  /// Connections that nobody uses.
  public let idle: Int
  /// Connections that are being made.
  public let connecting: Int
  /// Callers that wait for one.
  public let waiting: Int
}
