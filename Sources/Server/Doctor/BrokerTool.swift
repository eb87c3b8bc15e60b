import Diagnosis
import Glibc
import ServiceRuntime

/// `rabbitmqctl`, where it can be called: it tells what no login over AMQP is told.
struct BrokerTool: Sendable {
  /// How long it may take; it starts an Erlang machine of its own, a second on a quiet machine.
  static let limit = Duration.seconds(60)

  /// How to call it, as words of a shell.
  let command: String
  /// Whether somebody said so (`RABBITMQCTL`), or it is only what this machine has.
  let isChosen: Bool

  /// The one of `RABBITMQCTL`; else this machine's own, when the broker is on this machine; else none.
  init?(_ chosen: String?, brokerHost: String) {
    if let chosen {
      command = chosen
      isChosen = true
      return
    }
    let isHere = ["localhost", "::1"].contains(brokerHost) || brokerHost.hasPrefix("127.")
    let paths: [String] = ["/usr/sbin/rabbitmqctl", "/usr/bin/rabbitmqctl"]
    guard isHere, let path = paths.first(where: { access($0, X_OK) == 0 }) else { return nil }
    command = path
    isChosen = false
  }

  /// Runs it with these arguments.
  func run(_ arguments: [String]) async -> ExternalCommand.Outcome {
    await ExternalCommand.run(["/bin/sh", "-c", "\(command) \"$@\"", "rabbitmqctl"] + arguments, limit: Self.limit)
  }

  /// Why there are no facts.
  struct Problem: Error { let text: String }

  /// Asks the broker that listens on `port`; another one's answer is none.
  func facts(virtualHost: String, port: Int) async -> Result<BrokerFacts, Problem> {
    let outcome = await run(["eval", BrokerFacts.question(virtualHost: virtualHost)])
    guard outcome.code == 0, let facts = BrokerFacts(outcome.text) else {
      let line = outcome.text.split(separator: "\n").first { !$0.allSatisfy { " =-".contains($0) } } ?? "it says nothing"
      return .failure(Problem(text: "rabbitmqctl cannot be used here (\(printable(String(line.prefix(200)))))"))
    }
    guard facts.ports.contains(port) else {
      return .failure(
        Problem(text: "rabbitmqctl speaks to a broker that does not listen on port \(port); set RABBITMQCTL to how to call that one's"))
    }
    return .success(facts)
  }
}
