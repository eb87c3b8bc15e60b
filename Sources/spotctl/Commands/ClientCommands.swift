import FleetProtocol
import MySQL
import Server
import ServiceRuntime

/// `spotctl clients …`.
struct ClientCommands {
  let store: ClientStore
  let terminal: Terminal

  func create(_ invocation: Invocation) async throws {
    let name = invocation.arguments["NAME"] ?? ""
    let id = invocation.values["--id"] ?? randomUUID()
    guard id.unicodeScalars.count <= 64, name.unicodeScalars.count <= 255, (invocation.values["--email"] ?? "").unicodeScalars.count <= 255
    else {
      throw Failure(.usage, "too long: an id has 64 characters at most, a name and an address 255")
    }
    // The id is part of routing keys and queues: what cannot be one there is refused here. No agent has a shorter name than this one.
    _ = try AgentAddress(clientID: id, logicalAgentID: "a")
    do {
      let client = try await store.create(id: id, name: name, email: invocation.values["--email"])
      try terminal.show(Record(client, showingToken: true))
      terminal.remark("the token is shown this once; give it to the agents as SPOT_OPTIMIZER_CLIENT_TOKEN")
    } catch let error as MySQLError where error.isDuplicateKey {
      throw Failure(.failed, "there is a client with the id '\(printable(id))' already; choose another --id")
    }
  }

  func list() async throws {
    try terminal.show(try await store.list().map { Record($0) }, empty: "No clients. Make one with: spotctl clients create NAME")
  }

  func setActive(_ isActive: Bool, _ invocation: Invocation) async throws {
    let client = try await find(invocation.arguments["CLIENT"] ?? "")
    guard try await store.setActive(isActive, id: client.account.id), let changed = try await store.find(id: client.account.id) else {
      throw Failure(.notFound, "the client '\(printable(client.account.id))' was removed meanwhile")
    }
    try terminal.show(Record(changed))
  }

  /// The client with this id, or the only one with this name.
  func find(_ word: String) async throws -> Client {
    if let client = try await store.find(id: word) { return client }
    let named = try await store.list().filter { $0.account.name == word }
    guard let client = named.first else {
      throw Failure(.notFound, "there is no client '\(printable(word))'; see: spotctl clients list")
    }
    guard named.count == 1 else {
      let ids = named.map { "  \($0.account.id)" }.joined(separator: "\n")
      throw Failure(.usage, "\(named.count) clients have the name '\(printable(word))'; give the id:\n\(ids)")
    }
    return client
  }
}
