import FleetProtocol
import Server
import ServiceRuntime

/// `spotctl agents …`, and finding the agent that somebody means.
struct AgentCommands {
  let store: AgentStore
  let clients: ClientCommands
  let terminal: Terminal

  func show(_ invocation: Invocation) async throws {
    let agent = try await find(invocation)
    let tags = try await store.tags(of: [agent.key])
    try terminal.show(Record(agent, tags: tags[agent.key] ?? []))
  }

  /// The agent that `AGENT` and `--client` mean.
  func find(_ invocation: Invocation) async throws -> Agent {
    let word = invocation.arguments["AGENT"] ?? ""
    var clientID: String?
    if let client = invocation.values["--client"] { clientID = try await clients.find(client).account.id }
    if let agent = try await store.find(id: word), clientID == nil || agent.address.clientID == clientID { return agent }
    let listing = try await store.list(AgentStore.Filter(clientID: clientID, logicalAgentID: word))
    if let problem = listing.problems.first { throw problem }
    let agents = listing.rows.filter { $0.address.logicalAgentID == word }
    guard let agent = agents.first else {
      throw Failure(
        .notFound,
        "there is no agent '\(printable(word))'\(clientID.map { " of client '\(printable($0))'" } ?? ""); see: spotctl agents list")
    }
    guard agents.count == 1 else {
      let candidates = agents.map { "  \($0.id)  client \(printable($0.address.clientID))  \($0.status.rawValue)" }.joined(separator: "\n")
      throw Failure(
        .usage, "\(agents.count) agents have the logical id '\(printable(word))'; give one's id, or --client:\n\(candidates)")
    }
    return agent
  }
}
