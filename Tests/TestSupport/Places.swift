/// How many of something run at once: all tests of a process start together, and on a machine of two cores that does everything at once nothing keeps a
/// time limit.
public actor Places {
  private var free: Int
  private var waiting: [CheckedContinuation<Void, Never>] = []

  /// So many at once.
  public init(_ count: Int) { free = count }

  /// Runs `body` once there is a place. A body that takes a second place of the same kind may wait for ever.
  public func take<Result>(isolation: isolated (any Actor)? = #isolation, _ body: () async throws -> Result) async rethrows
    -> Result
  {
    await enter()
    do {
      let result = try await body()
      await leave()
      return result
    } catch {
      await leave()
      throw error
    }
  }

  private func enter() async {
    if free > 0 {
      free -= 1
    } else {
      await withCheckedContinuation { waiting.append($0) }
    }
  }

  private func leave() {
    if waiting.isEmpty { free += 1 } else { waiting.removeFirst().resume() }
  }
}
