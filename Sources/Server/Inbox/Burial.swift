import AMQP
import FleetProtocol
import ServiceRuntime

/// The dead letters of one queue on their way to `fleet.dead`: each is acknowledged when the broker has it there.
///
/// A task of its own, because the broker may take no messages for hours (an alarm, no publishing connection), and one bad message must not
/// stop the draining of the good ones, which may be what ends the alarm. Letters wait unacknowledged, so the prefetch bounds them.
final class Burial: Sendable {
  /// Letters sent at once: up to 16 MiB each.
  static let batchSize = 20

  private let waiting = Lock<[DeadLetter]>([])
  private let added = Signal()
  private let publisher: Publisher
  private let logger: Logger

  init(_ publisher: Publisher, logger: Logger) {
    self.publisher = publisher
    self.logger = logger
  }

  /// Tags that must not be acknowledged with others. One is taken out only after its own acknowledgement was sent.
  var tags: Set<UInt64> { waiting.withLock { Set($0.map(\.delivery.deliveryTag)) } }

  func add(_ letters: [Unusable]) {
    guard !letters.isEmpty else { return }
    for letter in letters { logger.warning("Dead letter \(letter.delivery.routingKey): \(letter.reason)") }
    waiting.withLock { $0 += letters.map(DeadLetter.init) }
    added.raise()
  }

  /// Works until the channel that delivered the letters is closed or the task is cancelled.
  func run(on channel: Channel) async throws {
    var backoff = Backoff(ceiling: .seconds(10))
    while true {
      let letters = waiting.withLock { Array($0.prefix(Self.batchSize)) }
      guard !letters.isEmpty else {
        await added.wait()
        try Task.checkCancellation()
        continue
      }
      guard let error = try await bury(letters, channel) else {
        backoff.reset()
        continue
      }
      let delay = backoff.nextDelay()
      logger.error(
        "\(waiting.withLock { $0.count }) dead letters wait for \(Topology.deadExchange): \(error) - retrying in \(delay.shortText)")
      try await Task.sleep(for: delay)
    }
  }

  /// Returns why some of the letters have to wait.
  private func bury(_ letters: [DeadLetter], _ channel: Channel) async throws -> AMQPError? {
    let results = await publisher.publish(letters.map(\.publication))
    var buried: Set<UInt64> = []
    var unsendable: Set<UInt64> = []
    var failure: AMQPError?
    for (letter, result) in zip(letters, results) {
      let tag = letter.delivery.deliveryTag
      switch result {
      case .success:
        try await channel.acknowledge(tag)
        buried.insert(tag)
      case .failure(let error) where !letter.isBare && (error.kind == .invalid || error.kind == .channelClosed(code: 406)):
        unsendable.insert(tag)
      case .failure(let error): failure = error
      }
    }
    waiting.withLock { [buried, unsendable] waiting in
      waiting.removeAll { buried.contains($0.delivery.deliveryTag) }
      for index in waiting.indices where unsendable.contains(waiting[index].delivery.deliveryTag) { waiting[index].isBare = true }
    }
    return failure
  }
}
