/// What was published on a channel and is not confirmed yet: a value that needs no socket.
///
/// A channel in confirm mode counts its publishes from 1; the broker answers with `basic.ack` or `basic.nack` for one tag or, with
/// `multiple`, for all up to it (RabbitMQ, "Publisher Confirms"). A mandatory message that fits no queue is announced by `basic.return`
/// first and acknowledged after, so the return is remembered until its confirm.
struct ConfirmLedger<Entry> {
  private struct Outstanding {
    var entry: Entry?
    let messageID: String?
    var returned: AMQPError?
  }

  private var outstanding: [Outstanding] = []
  /// Position in `outstanding` of the oldest entry that is not settled; what lies before is dropped in bulk.
  private var head = 0
  private var nextTag: UInt64 = 1
  private var tagsByMessageID: [String: UInt64] = [:]

  /// How many wait.
  private(set) var count = 0

  /// Notes a publish and returns its tag. `messageID` is set for mandatory messages only.
  mutating func published(_ entry: Entry, messageID: String?) -> UInt64 {
    let tag = nextTag
    nextTag += 1
    count += 1
    outstanding.append(Outstanding(entry: entry, messageID: messageID))
    if let messageID { tagsByMessageID[messageID] = tag }
    return tag
  }

  /// Notes that the broker returned a message; its confirm follows.
  mutating func returned(messageID: String?, error: AMQPError) {
    guard let messageID, let tag = tagsByMessageID[messageID], let index = index(of: tag) else { return }
    outstanding[index].returned = error
  }

  /// Settles a tag, or all up to it, and returns the entries with what became of each (`nil`: the broker has it).
  mutating func settle(tag: UInt64, multiple: Bool, nacked: Bool) -> [(entry: Entry, error: AMQPError?)] {
    var settled: [(entry: Entry, error: AMQPError?)] = []
    let refusal = nacked ? AMQPError(.nacked, "the broker could not take the message (basic.nack)") : nil
    // Tag 0 with `multiple` means everything published so far (AMQP 0-9-1, basic.ack).
    guard let last = index(of: tag == 0 && multiple ? nextTag - 1 : tag) else { return [] }
    for index in (multiple ? head : last)...last {
      if let entry = take(index) { settled.append((entry, refusal ?? outstanding[index].returned)) }
    }
    compact()
    return settled
  }

  /// Takes one entry out, because its time is over; a late confirm for it is then ignored.
  mutating func abandon(tag: UInt64) -> Entry? {
    guard let index = index(of: tag), let entry = take(index) else { return nil }
    compact()
    return entry
  }

  /// Takes everything out: the channel is gone.
  mutating func abandonAll() -> [Entry] {
    let entries = (head..<outstanding.count).compactMap { take($0) }
    compact()
    return entries
  }

  private func index(of tag: UInt64) -> Int? {
    let oldest = nextTag - UInt64(outstanding.count)
    guard tag >= oldest, tag < nextTag else { return nil }
    let index = Int(tag - oldest)
    return index >= head ? index : nil
  }

  private mutating func take(_ index: Int) -> Entry? {
    guard let entry = outstanding[index].entry else { return nil }
    outstanding[index].entry = nil
    if let messageID = outstanding[index].messageID { tagsByMessageID[messageID] = nil }
    count -= 1
    return entry
  }

  private mutating func compact() {
    while head < outstanding.count, outstanding[head].entry == nil { head += 1 }
    if head == outstanding.count {
      outstanding.removeAll(keepingCapacity: true)
      head = 0
    } else if head >= 1024 {
      outstanding.removeFirst(head)
      head = 0
    }
  }
}
