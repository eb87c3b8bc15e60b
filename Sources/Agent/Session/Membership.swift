import FleetProtocol
import ServiceRuntime

/// Where the agent stands with the server: a value that outlives connections.
///
/// An agent registers at its start, when its queue is gone, and when the server does not know it (any more); never because a connection broke.
struct Membership: Sendable, Equatable {
  /// A request that waits for its answer. It is repeated as it is, id and time included, so that the server sees one registration however
  /// often it had to be sent.
  struct Request: Sendable, Equatable {
    let messageID: String
    let sentAt: Timestamp
  }

  /// Tells this process from another one under the same name.
  let sessionID: String
  /// The newest answer; `nil` before the first, and after the server said that it does not know the agent.
  private(set) var registration: RegistrationReply?
  /// Whether the agent was ever registered: until then it is starting, and a failure ends it.
  private(set) var hasBegun = false
  private var queueIsGone = false
  private var request: Request?

  init(sessionID: String) { self.sessionID = sessionID }

  /// The id the server knows the agent by.
  var agentID: String? { registration?.agentID }
  /// The queue to consume; `nil` while there is none.
  var queue: String? { queueIsGone ? nil : registration?.queue }
  /// Whether the next thing to do is to register.
  var needsRegistration: Bool { queue == nil }

  /// The request to send: the one that waits, or else a new one.
  mutating func openRequest(now: Timestamp) -> Request {
    let open = request ?? Request(messageID: UUIDText.random(), sentAt: now)
    request = open
    return open
  }

  /// The request was answered with a refusal: the next one is another.
  mutating func refused() { request = nil }

  /// The server has the agent.
  mutating func registered(_ reply: RegistrationReply) {
    registration = reply
    hasBegun = true
    queueIsGone = false
    request = nil
  }

  /// The queue was deleted, has expired, or its node is gone. The agent keeps its id and goes on with its heartbeats.
  mutating func queueLost() { queueIsGone = true }

  /// The server knows no agent of this id: nothing of the registration holds any more.
  mutating func forgotten() { registration = nil }

  /// The client token belongs to another client now: another agent's life begins under the same process.
  mutating func moved() { self = Membership(sessionID: UUIDText.random()) }
}
