/// What the server knows of its way to the broker, for `/health`.
public enum BrokerState: Sendable, Equatable {
  case connected
  /// Connected, but an alarm keeps the broker from taking messages.
  case blocked(reason: String)
  /// No connection, and why the last attempt failed.
  case disconnected(reason: String)
}
