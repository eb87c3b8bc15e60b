/// One `basic.ack`: of one delivery, or with `multiple` of all up to it.
struct Acknowledgement: Equatable, Sendable {
  let tag: UInt64
  let multiple: Bool

  /// What to send for a batch of consecutive deliveries of which `letters` are not to be acknowledged yet, nor is `waiting` of earlier
  /// batches: as few as possible, and never one that covers a letter.
  ///
  /// A tag that was acknowledged before must not be named: the broker then takes all there are and closes the channel (406). So `letters` are
  /// all that the batch ever had, buried meanwhile or not.
  static func plan(_ tags: ClosedRange<UInt64>, letters: Set<UInt64>, waiting: Set<UInt64>) -> [Acknowledgement] {
    let earlierWaits = waiting.contains { $0 < tags.lowerBound }
    guard earlierWaits || !letters.isEmpty else { return [Acknowledgement(tag: tags.upperBound, multiple: true)] }
    var plan: [Acknowledgement] = []
    var canCoverAll = !earlierWaits
    for tag in tags {
      if letters.contains(tag) {
        canCoverAll = false
      } else if canCoverAll, !plan.isEmpty {
        plan[0] = Acknowledgement(tag: tag, multiple: true)
      } else {
        plan.append(Acknowledgement(tag: tag, multiple: canCoverAll))
      }
    }
    return plan
  }
}
