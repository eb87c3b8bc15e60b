import FleetProtocol
import MySQL
import ServiceRuntime

/// What an event tells of the agent that it is about.
struct AgentSubject: Sendable, Equatable {
  let key: Int64
  let id: String
  let clientID: String
  let logicalAgentID: String
  let instanceID: String?
  let instanceType: String?
  let region: String?
  let az: String?
  let mode: String
  let agentVersion: String?

  static let columns: StaticString =
    "agent_key, id, client_id, logical_agent_id, instance_id, instance_type, region, az, mode, agent_version"

  init(_ row: Row) throws {
    key = Int64(try row.int("agent_key"))
    id = try row.string("id")
    clientID = try row.string("client_id")
    logicalAgentID = try row.string("logical_agent_id")
    instanceID = try row.optionalString("instance_id")
    instanceType = try row.optionalString("instance_type")
    region = try row.optionalString("region")
    az = try row.optionalString("az")
    mode = try row.string("mode")
    agentVersion = try row.optionalString("agent_version")
  }

  /// The fields of every event of an agent; what is not known is not there.
  fileprivate var fields: [String: JSONValue] {
    var fields: [String: JSONValue] = [
      "agent_id": .string(id), "client_id": .string(clientID), "logical_agent_id": .string(logicalAgentID), "mode": .string(mode),
    ]
    for (name, value) in [
      ("instance_id", instanceID), ("instance_type", instanceType), ("region", region), ("az", az), ("agent_version", agentVersion),
    ] {
      if let value { fields[name] = .string(value) }
    }
    return fields
  }
}

/// Something that happened to an agent, with its id, which reactions need before it is written.
struct AgentEvent: Sendable, Equatable {
  let id: String
  let agentKey: Int64
  let type: EventType
  let event: FleetEvent

  /// An event about `subject`; `more` are the fields of its type beside those of every agent's.
  init(_ type: EventType, _ subject: AgentSubject, _ more: [String: JSONValue], id: String = randomUUID()) {
    self.id = id
    self.type = type
    agentKey = subject.key
    let data = subject.fields.merging(more) { $1 }
    event = FleetEvent(type, clientID: subject.clientID, subject: subject.id, data: .object(data))
  }
}
