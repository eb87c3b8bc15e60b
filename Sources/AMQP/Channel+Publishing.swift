import CRabbitMQ
import ServiceRuntime

/// Who waits for a confirm: one message's publisher, or one place in a batch.
struct PendingConfirm {
  let batch: PendingBatch
  let index: Int
}

/// A batch whose confirms are being waited for. Confined to its channel's actor.
final class PendingBatch {
  var results: [Result<Void, AMQPError>?]
  var waiting: Int
  var continuation: CheckedContinuation<Void, Never>?

  init(count: Int) {
    results = Array(repeating: nil, count: count)
    waiting = count
  }

  func finish(_ index: Int, _ result: Result<Void, AMQPError>) {
    guard results[index] == nil else { return }
    results[index] = result
    waiting -= 1
    if waiting == 0 {
      continuation?.resume()
      continuation = nil
    }
  }
}

extension Channel {
  /// Puts the channel in confirm mode, which `publish` needs. Idempotent.
  public func enableConfirms() async throws(AMQPError) {
    guard !confirmsEnabled else { return }
    confirmsEnabled = true
    _ = try await request(AMQP_CONFIRM_SELECT_METHOD) { _ in amqp_confirm_select_t(nowait: 0) }
  }

  /// Publishes and returns once the broker has taken responsibility (for a durable queue: once it is on disk).
  ///
  /// Errors: `.returned` (mandatory, and no queue), `.nacked`, `.blocked`, `.timeout` (the outcome is unknown), `.invalid` (it cannot be
  /// sent), and those of a channel or connection that is gone. Cancelling the task does not take the message back; it waits on.
  public func publish(_ publication: Publication, timeout: Duration = .seconds(30)) async throws(AMQPError) {
    try await publish([publication], timeout: timeout)[0].get()
  }

  /// Publishes many at once and returns, when every confirm is there or `timeout` is over, what became of each, in order.
  ///
  /// `written` is called once, before the confirms are waited for: what is published after it comes after these.
  public func publish(
    _ publications: [Publication], timeout: Duration = .seconds(30), written: @Sendable () -> Void = {}
  ) async -> [Result<Void, AMQPError>] {
    precondition(confirmsEnabled, "enableConfirms() comes before publish(): without confirms a message can be lost unseen")
    let batch = PendingBatch(count: publications.count)
    var tags: [UInt64] = []
    for (index, publication) in publications.enumerated() {
      do throws(AMQPError) {
        tags.append(try write(publication, PendingConfirm(batch: batch, index: index)))
      } catch {
        batch.finish(index, .failure(error))
      }
    }
    written()
    if batch.waiting > 0 {
      let overdue = AMQPError(.timeout, "Read timed out.")
      let timer = loop.schedule(after: timeout) { [weak self, tags] in self?.assumeIsolated { $0.abandon(tags, overdue) } }
      await withCheckedContinuation { batch.continuation = $0 }
      loop.cancel(timer)
    }
    return batch.results.map { $0 ?? .failure(.closedByUs) }
  }

  private func write(_ publication: Publication, _ pending: PendingConfirm) throws(AMQPError) -> UInt64 {
    try checkOpen()
    var publication = publication
    if publication.mandatory && publication.message.messageID == nil {
      lastMessageNumber += 1
      publication.message.messageID = "\(number)-\(lastMessageNumber)"
    }
    try connection.onSameLoop { [publication] connection throws(AMQPError) in try connection.publish(publication, channel: number) }
    return ledger.published(pending, messageID: publication.mandatory ? publication.message.messageID : nil)
  }

  func settle(tag: UInt64, multiple: Bool, nacked: Bool) {
    for (pending, error) in ledger.settle(tag: tag, multiple: multiple, nacked: nacked) {
      pending.batch.finish(pending.index, error.map { .failure($0) } ?? .success(()))
    }
  }

  func failPublishes(_ reason: AMQPError) {
    for pending in ledger.abandonAll() { pending.batch.finish(pending.index, .failure(reason)) }
  }

  private func abandon(_ tags: [UInt64], _ error: AMQPError) {
    for tag in tags {
      if let pending = ledger.abandon(tag: tag) { pending.batch.finish(pending.index, .failure(error)) }
    }
  }
}
