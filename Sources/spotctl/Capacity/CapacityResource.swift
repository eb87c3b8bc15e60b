/// What a fleet can use up.
enum CapacityResource: String, CaseIterable, Sendable {
  case processors
  case memory
  case brokerMemory = "broker_memory"
  case heartbeats
  case logins
  case openFiles = "open_files"
  case erlangProcesses = "erlang_processes"

  /// In a table.
  var title: String {
    switch self {
    case .processors: "processors"
    case .memory: "memory"
    case .brokerMemory: "broker's memory"
    case .heartbeats: "heartbeats' queue"
    case .logins: "logins"
    case .openFiles: "broker's open files"
    case .erlangProcesses: "broker's processes"
    }
  }

  /// Of its numbers.
  var unit: String {
    switch self {
    case .processors: "cores"
    case .memory, .brokerMemory: "bytes"
    case .heartbeats: "heartbeats/s"
    case .logins: "logins/s"
    case .openFiles: "files"
    case .erlangProcesses: "processes"
    }
  }

  /// What to do when it gives out.
  var remedy: String {
    switch self {
    case .processors:
      "more cores, a longer interval (and AGENT_HEARTBEAT_TIMEOUT three times that), or broker and database on machines of their own"
    case .memory: "more memory, or broker and database on machines of their own"
    case .brokerMemory:
      "more memory, a newer RabbitMQ, fewer priorities in agents' queues (a change of the code, docs/commands.md), or a cluster (docs/SERVER_DEPLOYMENT.md)"
    case .heartbeats:
      "a longer interval (and AGENT_HEARTBEAT_TIMEOUT three times that); neither cores nor servers help, for one queue is one process of the broker"
    case .logins: "more cores for the broker, or a cluster; or let agents be away for longer (AGENT_HEARTBEAT_TIMEOUT, --back-within)"
    case .openFiles: "a greater LimitNOFILE of the broker (docs/SERVER_DEPLOYMENT.md), told with --open-files"
    case .erlangProcesses:
      "a cluster (docs/SERVER_DEPLOYMENT.md), or a greater +P in RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS, which was not tried"
    }
  }

  /// A number of it, for people.
  func text(_ value: Double) -> String {
    unit == "bytes" ? CapacityText.bytes(value) : "\(CapacityText.number(value)) \(unit)"
  }
}

/// How much of one resource a fleet needs, and how much a machine has.
struct CapacityShare: Sendable, Equatable {
  let resource: CapacityResource
  /// Both in the resource's unit.
  let needs: Double
  let has: Double

  /// 1 is all of it.
  var share: Double { needs / has }
}
