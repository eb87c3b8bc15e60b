extension Actor {
  /// `assumeIsolated` for a body that throws our error: connection and channel are actors of one event loop, so each may enter the
  /// other at once from the loop's thread. Traps on any other thread.
  nonisolated func onSameLoop<Result: Sendable>(_ body: @Sendable (isolated Self) throws(AMQPError) -> Result) throws(AMQPError) -> Result {
    let outcome: Swift.Result<Result, AMQPError> = assumeIsolated { actor in
      do throws(AMQPError) {
        return .success(try body(actor))
      } catch {
        return .failure(error)
      }
    }
    return try outcome.get()
  }
}
