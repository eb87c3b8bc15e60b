import FleetProtocol
import ServiceRuntime

/// Where the agent stands with the server: a value that outlives connections.
///
/// An agent registers at its start, when its queue is gone, and when the server does not know it (any more); never because a connection broke.
struct Membership: Sendable, Equatable {
  /// Tells this process from another one under the same name.
  let sessionID: String
  /// The newest answer; `nil` before the first, and after the server said that it does not know the agent.
  private(set) var registration: RegistrationReply?
  /// Whether the agent was ever registered: until then it is starting, and a failure ends it.
  private(set) var hasBegun = false
  private var queueIsGone = false
  private var isSuperseded = false
  private var requestedAt: Timestamp?

  init(sessionID: String) { self.sessionID = sessionID }

  /// The id the server knows the agent by.
  var agentID: String? { registration?.agentID }
  /// The queue to consume; `nil` while there is none.
  var queue: String? { queueIsGone ? nil : registration?.queue }
  /// The registration in whose name the agent sends heartbeats; `nil` also while another process has the name: heartbeats of two would
  /// overwrite each other, and would keep the name taken when the other one is gone.
  var voice: RegistrationReply? { isSuperseded ? nil : registration }
  /// Whether the next thing to do is to register.
  var needsRegistration: Bool { queue == nil }

  /// The time of the request to send: a repetition has the time of the first, so that the server sees one registration however often
  /// it had to be sent, and gives one queue.
  mutating func request(now: Timestamp) -> Timestamp {
    let time = requestedAt ?? now
    requestedAt = time
    return time
  }

  /// The request was refused: the next one is another.
  mutating func refused() { requestedAt = nil }

  /// Another process has registered under this name and is alive.
  mutating func superseded() { isSuperseded = true }

  /// The server has the agent.
  mutating func registered(_ reply: RegistrationReply) {
    registration = reply
    hasBegun = true
    queueIsGone = false
    isSuperseded = false
    requestedAt = nil
  }

  /// The queue was deleted, has expired, or its node is gone. The agent keeps its id and goes on with its heartbeats.
  mutating func queueLost() { queueIsGone = true }

  /// The server knows no agent of this id: nothing of the registration holds any more.
  mutating func forgotten() { registration = nil }

  /// The client token belongs to another client now: another agent's life begins under the same process.
  mutating func moved() { self = Membership(sessionID: randomUUID()) }
}
