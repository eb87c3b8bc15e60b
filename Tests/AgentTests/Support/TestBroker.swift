import TestSupport

/// The broker of this suite alone: its tests consume the fleet's queues as the server would, and restart the broker.
actor TestBroker {
  static let instance = TestBroker()
  private var task: Task<LocalServices, any Error>?

  static func services() async throws -> LocalServices { try await instance.get() }

  private func get() async throws -> LocalServices {
    // The one unstructured task: whoever comes first starts the pair for all, and a cancelled test must not take it from the others.
    let task = task ?? Task { try await LocalServices.separate() }
    self.task = task
    return try await task.value
  }
}
