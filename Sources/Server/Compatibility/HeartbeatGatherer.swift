import FleetProtocol
import MySQL
import ServiceRuntime

/// A heartbeat that came over HTTP.
struct PolledHeartbeat: Sendable {
  let agentID: String
  /// Whose token it came with.
  let clientID: String
  let body: Heartbeat
}

/// What became of it.
enum PolledHeartbeatOutcome: Sendable {
  case stored
  /// The client has no such agent.
  case unknownAgent
  /// The agent has moved to AMQP: an old process still speaks in its name, and nothing was changed.
  case moved(PollingAgent)
}

/// Writes heartbeats of many requests with the statements of the AMQP inbox: while one batch is being written the next one gathers, so a single heartbeat
/// waits for nobody and a thousand cost little more than one.
///
/// There is no task of its own: the first request that finds nobody writing writes for all that wait, and hands on to one of those that came meanwhile.
actor HeartbeatGatherer {
  private enum Turn {
    case done(Result<PolledHeartbeatOutcome, any Error>)
    case yours
  }

  private struct Waiter {
    let heartbeat: PolledHeartbeat
    let continuation: CheckedContinuation<Turn, Never>
  }

  private let store: AgentStore
  private var isWriting = false
  private var waiters: [Waiter] = []

  init(_ store: AgentStore) { self.store = store }

  /// Stores a heartbeat; after this has returned it is committed. Throws what the database throws.
  func store(_ heartbeat: PolledHeartbeat) async throws -> PolledHeartbeatOutcome {
    if isWriting {
      let turn = await withCheckedContinuation { waiters.append(Waiter(heartbeat: heartbeat, continuation: $0)) }
      if case .done(let result) = turn { return try result.get() }
    }
    isWriting = true
    let others = waiters
    waiters = []
    let results = await write([heartbeat] + others.map(\.heartbeat))
    for (waiter, result) in zip(others, results.dropFirst()) { waiter.continuation.resume(returning: .done(result)) }
    if waiters.isEmpty {
      isWriting = false
    } else {
      waiters.removeFirst().continuation.resume(returning: .yours)
    }
    return try results[0].get()
  }

  private func write(_ batch: [PolledHeartbeat]) async -> [Result<PolledHeartbeatOutcome, any Error>] {
    do {
      return try await attempt(batch).map { .success($0) }
    } catch let error as MySQLError where !error.isDatabaseAway && batch.count > 1 {
      // For one bad value: each by itself, so that no good one is lost.
      var results: [Result<PolledHeartbeatOutcome, any Error>] = []
      for heartbeat in batch { results += await write([heartbeat]) }
      return results
    } catch {
      return batch.map { _ in .failure(error) }
    }
  }

  private func attempt(_ batch: [PolledHeartbeat]) async throws -> [PolledHeartbeatOutcome] {
    let agents = try await store.polling(ids: Set(batch.map(\.agentID)))
    var updates: [Int64: HeartbeatUpdate] = [:]
    var outcomes: [PolledHeartbeatOutcome] = []
    for heartbeat in batch {
      guard let agent = agents[heartbeat.agentID], agent.address.clientID == heartbeat.clientID else {
        outcomes.append(.unknownAgent)
        continue
      }
      guard agent.polls else {
        outcomes.append(.moved(agent))
        continue
      }
      // Of several of one agent the newest is the last.
      updates[agent.key] = HeartbeatUpdate(heartbeat.body, agentKey: agent.key)
      outcomes.append(.stored)
    }
    let missing = try await store.applyHeartbeats(Array(updates.values))
    guard !missing.isEmpty else { return outcomes }
    return zip(batch, outcomes).map { heartbeat, outcome in
      guard case .stored = outcome, let agent = agents[heartbeat.agentID], missing.contains(agent.key) else { return outcome }
      return .unknownAgent
    }
  }
}
