/// What is known of one connection to the broker.
struct BrokerConnectionMetrics: Sendable {
  /// Which of the server's connections it is.
  enum Purpose: String, Sendable {
    case consume
    case publish
    case events
  }

  let connected: Gauge
  /// An alarm stops only connections that publish.
  let blocked: Gauge?

  init(_ metrics: ServerMetrics, _ purpose: Purpose) {
    connected = metrics.brokerConnected.member(purpose.rawValue)
    blocked = purpose == .consume ? nil : metrics.brokerBlocked.member(purpose.rawValue)
  }
}
