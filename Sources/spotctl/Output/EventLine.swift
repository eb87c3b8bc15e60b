import FleetProtocol
import Server
import ServiceRuntime

/// An event in one line: time, type, subject, and of its data what a person wants to see first.
enum EventLine {
  /// In this order; what is none of these is in `--json`.
  private static let important = [
    "logical_agent_id", "instance_id", "az", "action", "notice_time", "cause", "offline_since", "previous_instance_id", "command_type",
    "agent_id",
    "status", "exit_code", "error", "reason", "corrects", "name", "rollout_id", "source", "succeeded", "failed", "total",
  ]
  /// Characters of one value.
  private static let longestValue = 80
  /// The longest type's length.
  private static let typeWidth = EventType.allCases.map(\.rawValue.count).max() ?? 0

  static func text(_ event: StoredEvent) -> String {
    let type = printable(event.type)
    var line =
      "\(event.time.localText)  \(type)\(String(repeating: " ", count: max(0, typeWidth - type.count)))  \(printable(event.subject ?? "-"))"
    guard let fields = event.fields else { return "\(line)  (its data is no JSON)" }
    for name in important {
      guard let value = fields[name].flatMap(shown), value != event.subject else { continue }
      line += "  \(name)=\(printable(value.count > longestValue ? value.prefix(longestValue) + "…" : value))"
    }
    return line
  }

  private static func shown(_ value: JSONValue) -> String? {
    switch value {
    case .string(let text): text.isEmpty ? nil : text
    case .int(let number): String(number)
    case .double(let number): String(number)
    case .bool(let truth): truth ? "yes" : "no"
    case .null, .array, .object: nil
    }
  }
}

extension Record {
  /// A row of `fleet_events`.
  init(_ event: StoredEvent) {
    add("seq", .number(Int(event.seq)))
    add("id", .text(event.id), listed: true)
    add("time", .time(event.time), listed: true)
    add("type", .text(event.type), listed: true)
    add("client_id", Cell(event.clientID), listed: true)
    add("subject", Cell(event.subject), listed: true)
    add("data", .json(event.data))
  }
}
