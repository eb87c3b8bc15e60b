/// What is counted of one of the server's queues.
struct QueueMetrics: Sendable {
  let accepted: Counter
  let refused: Counter
  let deadLettered: Counter
  let batch: Histogram
  let verify: Histogram
  let commit: Histogram

  init(_ metrics: ServerMetrics, queue: String) {
    accepted = metrics.messages.member(queue, "accepted")
    refused = metrics.messages.member(queue, "refused")
    deadLettered = metrics.messages.member(queue, "dead_lettered")
    batch = metrics.batchMessages.member(queue)
    verify = metrics.verifyDuration.member(queue)
    commit = metrics.commitDuration.member(queue)
  }
}
