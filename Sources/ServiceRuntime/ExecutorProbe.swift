/// Visits an executor, to see that it still runs what is given to it.
public actor ExecutorProbe {
  private let executor: any SerialExecutor

  /// A probe of this executor, which must not be stopped while a visit is under way.
  public init(_ executor: any SerialExecutor) { self.executor = executor }

  /// The executor that is visited.
  public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

  /// Returns once the executor had time for it.
  public func visit() {}
}
