import Diagnosis
import ServiceRuntime

/// What to say of the agent's own queue, by who reads it and whether the agent runs.
enum QueueFinding {
  private static let check = "own queue"
  private static let start = "systemctl start spot-optimizer-agent"
  private static let restart = "systemctl restart spot-optimizer-agent; journalctl -u spot-optimizer-agent"

  /// Of a queue that is there.
  static func finding(_ queue: String, messages: Int, readers: Int, _ process: RunningAgent) -> Finding {
    let measured = "\(queue): \(counted(messages, "message")) ready, \(counted(readers, "consumer"))"
    switch (readers, process) {
    case (0, .running): return .fail(check, "\(measured): the agent runs here and does not read it", remedy: restart)
    case (0, .notRunning): return .warn(check, "\(measured): no agent runs here, and what is sent waits", remedy: start)
    case (0, .unknown): return .warn(check, "\(measured): what is sent waits", remedy: restart)
    default: return .pass(check, measured)
    }
  }

  /// Of a queue that the broker does not have. It goes after seven days without a reader; a running agent registers for another by itself.
  static func missing(_ queue: String, _ process: RunningAgent) -> Finding {
    let measured = "the broker has no queue \(queue)"
    switch process {
    case .running: return .fail(check, "\(measured): no command reaches the agent that runs here", remedy: restart)
    case .notRunning, .unknown: return .warn(check, "\(measured); the agent's next start brings another", remedy: start)
    }
  }
}
