import FleetProtocol

/// Which built-in commands run and which have been run, with their results: one that comes again is answered again and not run again.
///
/// Bounded in number and in size; the oldest are forgotten first. It lasts as long as the process: to run one of them again does no harm.
struct CommandMemory: Sendable {
  /// The most results kept.
  static let limit = 1024
  /// The most bytes of output kept, roughly.
  static let outputLimit = 512 * 1024

  /// What is known of a command's id.
  enum Known: Sendable, Equatable {
    case running
    case finished(CommandResult)
  }

  private var running: Set<String> = []
  private var results: [String: (result: CommandResult, bytes: Int)] = [:]
  private var order: [String] = []
  private var bytes = 0

  /// What is known of a command.
  subscript(id: String) -> Known? {
    if running.contains(id) { return .running }
    return results[id].map { .finished($0.result) }
  }

  /// A command begins. `false` when it runs already or has been run.
  mutating func begin(_ id: String) -> Bool {
    guard results[id] == nil else { return false }
    return running.insert(id).inserted
  }

  /// A command has ended.
  mutating func finish(_ result: CommandResult) {
    running.remove(result.commandID)
    guard results[result.commandID] == nil else { return }
    let size = Self.size(result.output) + (result.error?.utf8.count ?? 0)
    results[result.commandID] = (result, size)
    order.append(result.commandID)
    bytes += size
    while order.count > Self.limit || (bytes > Self.outputLimit && order.count > 1) {
      if let forgotten = results.removeValue(forKey: order.removeFirst()) { bytes -= forgotten.bytes }
    }
  }

  private static func size(_ value: JSONValue?) -> Int {
    switch value {
    case nil, .null, .bool, .int, .double: 8
    case .string(let text): text.utf8.count + 8
    case .array(let items): items.reduce(8) { $0 + size($1) }
    case .object(let members): members.reduce(8) { $0 + $1.key.utf8.count + size($1.value) }
    }
  }
}
