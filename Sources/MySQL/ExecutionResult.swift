/// What a statement without rows did.
public struct ExecutionResult: Sendable, Equatable {
  /// The rows that the condition found, changed or not; an `ON DUPLICATE KEY UPDATE` counts 2 for a row that it changed.
  public let matchedRows: Int
  /// The first AUTO_INCREMENT number that the statement gave; 0 when it gave none.
  public let lastInsertID: UInt64
}
