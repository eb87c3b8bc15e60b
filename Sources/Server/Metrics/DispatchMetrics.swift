/// What is counted of commands on their way to the broker.
struct DispatchMetrics: Sendable {
  let queued: Counter
  let postponed: Counter
  let undeliverable: Counter
  let latency: Histogram

  init(_ metrics: ServerMetrics) {
    queued = metrics.dispatchedCommands.member("queued")
    postponed = metrics.dispatchedCommands.member("postponed")
    undeliverable = metrics.dispatchedCommands.member("undeliverable")
    latency = metrics.dispatchLatency.member()
  }
}
