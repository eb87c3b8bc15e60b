import FleetProtocol
import MySQL
import ServiceRuntime

/// A client of the former system, and what is here in its place: the decision as a value.
struct ClientImport: Sendable {
  static let columns = ["id", "name", "email", "client_token", "is_active"]

  /// What is to become of it.
  enum Decision: Sendable, Equatable {
    case insert
    case alreadyThere
    case conflict(String)
  }

  let id: String
  let name: String
  let email: String?
  let token: String
  let isActive: Bool

  init(_ row: FormerRow) {
    id = row.id
    name = row["name"].flatMap { $0.isEmpty ? nil : $0 } ?? row.id
    email = row["email"]
    // Agents' tokens are stripped on their way in.
    token = (row["client_token"] ?? "").trimmingWhitespace()
    isActive = row["is_active"].map { Int($0).map { $0 != 0 } ?? ($0 == "true") } ?? true
  }

  /// `tokens` are ours by client id, `holders` the ids of ours by token.
  func decision(tokens: [String: String], holders: [String: String]) -> Decision {
    do {
      _ = try AgentAddress(clientID: id, logicalAgentID: "a")
    } catch {
      return .conflict("its id cannot be one here: \(error)")
    }
    guard id.unicodeScalars.count <= 64, name.unicodeScalars.count <= 255, (email ?? "").unicodeScalars.count <= 255 else {
      return .conflict("too long: an id has 64 characters at most, a name and an address 255")
    }
    guard !token.isEmpty, token.utf8.count <= ClientStore.tokenBytes else {
      return .conflict("its token is empty or longer than \(ClientStore.tokenBytes) bytes")
    }
    if let there = tokens[id] {
      return there == token
        ? .alreadyThere
        : .conflict("a client with this id is here with another token (\(tokenPreview(there)), there \(tokenPreview(token)))")
    }
    if let holder = holders[token] {
      return .conflict("its token \(tokenPreview(token)) is that of the client '\(printable(holder))' here")
    }
    return .insert
  }
}

extension FleetImport {
  mutating func importClients(_ rows: [FormerRow]) async throws {
    let found = rows.map(ClientImport.init)
    let isDryRun = selection.isDryRun
    let decisions = try await target.transaction { [self] connection in
      var tokens: [String: String] = [:]
      var holders: [String: String] = [:]
      let ours =
        try await ours("SELECT id, client_token FROM clients WHERE id", found.map(\.id), on: connection)
        + ours("SELECT id, client_token FROM clients WHERE client_token", found.map(\.token), on: connection)
      for row in ours {
        let (id, token) = (try row.string("id"), try row.string("client_token"))
        tokens[id] = token
        holders[token] = id
      }
      var decisions: [ClientImport.Decision] = []
      for client in found {
        let decision = client.decision(tokens: tokens, holders: holders)
        decisions.append(decision)
        guard decision == .insert else { continue }
        tokens[client.id] = client.token
        holders[client.token] = client.id
        guard !isDryRun else { continue }
        try await connection.execute(
          "INSERT INTO clients (id, name, email, client_token, is_active) VALUES (?, ?, ?, ?, ?)",
          [.text(client.id), .text(client.name), Value(client.email), .text(client.token), Value(client.isActive)])
        let event = FleetEvent(
          .clientCreated, clientID: client.id, subject: client.id, data: ["client_id": .string(client.id), "name": .string(client.name)])
        try await FleetEvent.append([event], on: connection)
      }
      return decisions
    }
    for (client, decision) in zip(found, decisions) {
      switch decision {
      case .insert: report.add(.client, .imported)
      case .alreadyThere: report.add(.client, .alreadyThere)
      case .conflict(let reason):
        report.add(.client, .conflict, id: client.id, name: client.name, reason)
        continue
      }
      clients.insert(client.id)
    }
  }
}
