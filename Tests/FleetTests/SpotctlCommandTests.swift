import AMQP
import FleetProtocol
import Foundation
import MySQL
import Server
import ServiceRuntime
import SignedMessages
import TestSupport
import Testing

@testable import spotctl

/// `spotctl commands …` on a real database and broker, with a test in the agent's place.
@Suite struct SpotctlCommandTests {
  /// An agent of which only the wire is there.
  private struct Peer {
    let desk: ToolDesk
    let agentID: String
    let address: AgentAddress
    let token: String
    let channel: Channel

    var store: CommandStore { CommandStore(desk.pool) }

    func pending() async throws -> String {
      try await eventualValue("a command is there") {
        try await store.list(CommandStore.Filter(agentID: agentID, status: .pending)).rows.first?.id
      }
    }

    func say(_ id: String, _ sequence: Int, _ stream: CommandOutput.Stream, _ text: String, token: String? = nil) async throws {
      let body = CommandOutput(commandID: id, agentID: agentID, sequence: sequence, stream: stream, text: text, sentAt: .now())
      var message = Message(
        body: try WireCoding.encode(body), contentType: "application/json", type: CommandOutput.type.rawValue,
        messageID: "\(id)-\(sequence)",
        persistent: false)
      message.timestamp = UInt64(clamping: Timestamp.now().seconds)
      let key = address.routingKey(.output)
      try message.sign(with: SigningKey(clientToken: token ?? self.token), routingKey: key)
      try await channel.publish(Publication(message, to: Topology.inboxExchange, routingKey: key))
    }

    func end(
      _ id: String, _ status: CommandResult.Outcome, exitCode: Int? = nil, stdout: String = "", stderr: String = "", error: String? = nil
    )
      async throws
    {
      let result = CommandResult(
        commandID: id, agentID: agentID, status: status, exitCode: exitCode, standardOutput: stdout, standardError: stderr,
        standardOutputBytes: stdout.utf8.count, standardErrorBytes: stderr.utf8.count, error: error, startedAt: .now(), finishedAt: .now(),
        sentAt: .now())
      #expect(try await store.finish(result, from: address) == .accepted)
    }
  }

  private func withPeer(_ body: (Peer) async throws -> Void) async throws {
    let services = try await LocalServices.shared()
    try await withDesk { desk in
      let client = try await ClientStore(desk.pool).create(id: "test", name: "Test", email: nil)
      // A name of its own: the vhost is shared with other tests.
      let name = "web-\(randomUUID().prefix(8))"
      let agentID = try await desk.register(name)
      let loop = EventLoop(name: "test")
      defer { loop.stop() }
      let url = try BrokerURL(services.amqpURL, name: "AMQP_URL")
      let connection = try await AMQP.Connection.open(
        ConnectionConfiguration(url, defaultVirtualHost: services.virtualHost, connectionName: "test"), on: loop)
      let channel = try await connection.openChannel()
      try await channel.enableConfirms()
      for exchange in Topology.exchanges { try await channel.declareExchange(exchange.name, kind: exchange.kind.rawValue) }
      let peer = Peer(
        desk: desk, agentID: agentID, address: try AgentAddress(clientID: "test", logicalAgentID: name), token: client.account.token,
        channel: channel)
      do {
        try await body(peer)
        await connection.close()
      } catch {
        await connection.close()
        throw error
      }
    }
  }

  @Test func followingShowsBothStreamsAsTheyComeAndEndsAsTheCommandDid() async throws {
    try await withPeer { peer in
      let folder = NSTemporaryDirectory() + "spotctl-follow-\(randomUUID())"
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      defer { try? FileManager.default.removeItem(atPath: folder) }
      func read(_ name: String) throws -> String { try String(contentsOfFile: "\(folder)/\(name)", encoding: .utf8) }
      let program = try await Program.tool(
        "/bin/sh",
        [
          "-c", "exec \"$0\" commands send \"$1\" disk-usage '{}' --follow >\"$2/out\" 2>\"$2/err\"", try Program.path(of: "spotctl"),
          peer.address.logicalAgentID, folder,
        ], environment: peer.desk.environment)
      let id = try await peer.pending()
      #expect(try await peer.store.find(id: id)?.streamsOutput == true)
      try await peer.say(id, 1, .standardOutput, "one\n")
      try await eventually("the first piece is shown while the command runs") { try read("out") == "one\n" }
      try await peer.say(id, 2, .standardError, "careful\n")
      try await peer.say(id, 3, .standardOutput, "forged\n", token: "another token")
      try await peer.say(id, 4, .standardOutput, "three\u{1b}[1m\n")
      try await peer.say("another command", 1, .standardOutput, "not ours\n")
      try await eventually("what came after the gap is shown") { try read("out").hasSuffix("three\u{1b}[1m\n") }
      try await peer.end(
        id, .failed, exitCode: 7, stdout: "one\ntwo\nthree\u{1b}[1m\nfour\n", stderr: "careful\n", error: "it ended with exit code 7")
      #expect(try await program.waitForExit() == .exited(7))
      #expect(try read("out") == "one\nthree\u{1b}[1m\nfour\n", "into a file it goes as it is")
      let said = try read("err")
      #expect(said.contains("careful\n") && said.contains("1 piece of the output did not arrive here"))
      #expect(
        said.contains("is not signed by the agent") && said.contains("the command ended as failed: it ended with exit code 7"), "\(said)")
    }
  }

  @Test func interruptingLeavesTheCommandRunningAndSaysHowToCancelIt() async throws {
    try await withPeer { peer in
      let program = try await Program(
        "spotctl", ["commands", "send", peer.address.logicalAgentID, "sleep", "--follow"], environment: peer.desk.environment)
      try await program.waitForLine(containing: "Ctrl-C leaves it running")
      program.send(SIGINT)
      #expect(try await program.waitForExit() == .exited(130))
      let id = try await peer.pending()
      #expect(program.output.contains("call it off with: spotctl commands cancel \(id)"), "\(program.output)")
      let cancelled = try await peer.desk.run("commands", "cancel", id, "nothing")
      #expect(
        cancelled.code == 3 && cancelled.text.contains("cancelled before it was sent") && cancelled.text.contains("no command 'nothing'"))
      #expect(try await peer.store.find(id: id)?.status == .cancelled)
      #expect(try await peer.desk.run("commands", "cancel", id).text.contains("none: it had ended as cancelled"))
    }
  }

  @Test func followingNeedsTheBrokerAndWritesNothingWithoutIt() async throws {
    try await withPeer { peer in
      let name = peer.address.logicalAgentID
      let away = try await peer.desk.run(
        "commands", "send", name, "ping", "--follow", changes: ["AMQP_URL": "amqp://u:SECRET@127.0.0.1:1/v"])
      #expect(away.code == 5 && away.text.contains("nothing was sent") && !away.text.contains("SECRET"), "\(away.text)")
      #expect(try await peer.desk.run("commands", "send", name, "ping", "--follow", "--json").code == 2)
      #expect(try await peer.store.list().rows.isEmpty)
    }
  }

  @Test func bothTimeOutsAreWrittenAndHaveDefaults() async throws {
    try await withPeer { peer in
      let name = peer.address.logicalAgentID
      #expect(try await peer.desk.run("commands", "send", name, "ping").code == 0)
      #expect(try await peer.desk.run("commands", "send", name, "ping", "--timeout", "5m", "--deliver-within", "2d").code == 0)
      let rows = try await peer.store.list().rows
      #expect(rows.map(\.timeoutSeconds) == [300, 60])
      let within = rows.compactMap { row in row.expiresAt.map { $0.since(row.createdAt).components.seconds } }
      #expect(within == [172_800, 3600])
      let wrong = try await peer.desk.run("commands", "send", name, "ping", "--timeout", "soon")
      #expect(wrong.code == 2 && wrong.text.contains("--timeout is 'soon'; it must be a time such as 90s"))
    }
  }

  @Test func commandsAreListedShownAndTheirOutputPrinted() async throws {
    try await withPeer { peer in
      let name = peer.address.logicalAgentID
      for _ in 0..<3 { #expect(try await peer.desk.run("commands", "send", name, "disk-usage").code == 0) }
      let id = try await peer.pending()
      try await peer.end(id, .succeeded, exitCode: 0, stdout: "50% \u{1b}[31mfull\n", stderr: "warned\n")
      #expect(try await peer.desk.run("commands", "list", "--json").rows.count == 3)
      #expect(
        try await peer.desk.run("commands", "list", "--agent", name, "--status", "pending", "--since", "1h", "--json").rows.count == 2)
      let newest = try await peer.desk.run("commands", "list", "--limit", "1", "--json")
      #expect(try newest.rows.first?["id"] == .string(id) && !newest.text.contains("only the newest"))
      #expect(try await peer.desk.run("commands", "list", "--status", "gone").code == 2)
      let noRollout = try await peer.desk.run("commands", "list", "--rollout", "r1")
      #expect(noRollout.code == 3 && noRollout.text.contains("there is no rollout 'r1'"))
      let shown = try await peer.desk.run("commands", "show", id)
      #expect(shown.text.contains("stdout, 14 bytes:") && shown.text.contains(#"50% \u{1b}[31mfull"#) && shown.text.contains("warned"))
      let row = try #require(try await peer.desk.run("commands", "show", id, "--json").rows.first)
      #expect(row["stdout"] == "50% \u{1b}[31mfull\n" && row["exit_code"] == 0 && row["ended_by"] == "agent")
      let printed = try await peer.desk.run("commands", "output", id)
      #expect(printed.code == 0 && printed.lines.sorted() == ["50% \u{1b}[31mfull", "warned"], "\(printed.lines)")
      #expect(try await peer.desk.run("commands", "output", "nothing").code == 3)
    }
  }

  @Test func aClientsCommandsAreThoseOfItsAgentsNewestFirst() async throws {
    try await withDesk { desk in
      for id in ["test", "other"] { _ = try await ClientStore(desk.pool).create(id: id, name: "Client \(id)", email: nil) }
      for (name, client) in [("web-1", "test"), ("web-2", "test"), ("db-1", "other")] { _ = try await desk.register(name, client: client) }
      for (name, type) in [("web-1", "one"), ("db-1", "two"), ("web-2", "three"), ("web-1", "four")] {
        #expect(try await desk.run("commands", "send", name, type).code == 0)
      }
      func types(_ words: String...) async throws -> [JSONValue?] {
        try await desk.run(["commands", "list", "--json", "--client"] + words).rows.map { $0["command_type"] }
      }
      #expect(try await types("Client test") == ["four", "three", "one"])
      #expect(try await types("test", "--limit", "2") == ["four", "three"])
      #expect(try await types("test", "--agent", "web-2") == ["three"])
      #expect(try await types("other", "--status", "failed") == [])
      #expect(try await desk.run("commands", "list", "--client", "nobody").code == 3)
    }
  }

  @Test func aConfigurationIsNotSentByHand() async throws {
    try await withPeer { peer in
      let refused = try await peer.desk.run("commands", "send", peer.address.logicalAgentID, "configure", #"{"version":1}"#)
      #expect(refused.code == 2 && refused.text.contains("use: spotctl configure"), "\(refused.text)")
      #expect(try await peer.store.list().rows.isEmpty)
    }
  }

  @Test func onlyAnAgentThatIsAwayIsWaitedFor() async throws {
    try await withPeer { peer in
      for status in AgentStatus.allCases {
        try await peer.desk.pool.withConnection {
          _ = try await $0.execute("UPDATE agents SET status = ? WHERE id = ?", [.text(status.rawValue), .text(peer.agentID)])
        }
        let sent = try await peer.desk.run("commands", "send", peer.address.logicalAgentID, "ping")
        #expect(sent.text.contains("the command waits for it") == [.offline, .deleted].contains(status), "\(status): \(sent.text)")
      }
    }
  }

  @Test func whoEndsACancelledCommandIsSaid() async throws {
    try await withPeer { peer in
      for (status, words) in [
        ("online", "requested; its agent is told"), ("offline", "requested; its agent is offline, and the server closes it"),
      ] {
        let id = try await peer.store.insert(CommandDraft(agentID: peer.agentID, clientID: "test", commandType: "x"))
        try await peer.desk.pool.withConnection {
          _ = try await $0.execute("UPDATE commands SET status = 'running' WHERE id = ?", [.text(id)])
          _ = try await $0.execute("UPDATE agents SET status = ? WHERE id = ?", [.text(status), .text(peer.agentID)])
        }
        let cancelled = try await peer.desk.run("commands", "cancel", id)
        #expect(cancelled.code == 0 && cancelled.text.contains(words), "\(cancelled.text)")
      }
    }
  }

  @Test func interruptedWaitingSaysHowToLookAtTheCommandAndHowToCancelIt() async throws {
    try await withPeer { peer in
      let program = try await Program(
        "spotctl", ["commands", "send", peer.address.logicalAgentID, "sleep", "--wait"], environment: peer.desk.environment)
      let id = try await peer.pending()
      program.send(SIGINT)
      #expect(try await program.waitForExit() == .exited(130))
      #expect(program.output.contains("spotctl commands show \(id)"), "\(program.output)")
      #expect(program.output.contains("spotctl commands cancel \(id)"), "\(program.output)")
      #expect(try await peer.store.find(id: id)?.status == .pending)
    }
  }

  @Test func theOutputOfACommandThatHasNotEndedIsNotThereYet() async throws {
    try await withPeer { peer in
      let id = try await peer.store.insert(CommandDraft(agentID: peer.agentID, clientID: "test", commandType: "x"))
      let early = try await peer.desk.run("commands", "output", id)
      #expect(early.code == 4 && early.text.contains("the command is pending; its output is stored when it has ended"))
    }
  }

  @Test func aReaderThatHasGoneEndsTheToolSilently() async throws {
    try await withPeer { peer in
      let id = try await peer.store.insert(CommandDraft(agentID: peer.agentID, clientID: "test", commandType: "x"))
      try await peer.end(id, .succeeded, exitCode: 0, stdout: "one\ntwo\n")
      for action in ["output", "show"] {
        // The reader ends at once; the tool begins after it.
        let script = "{ sleep 0.5; \"$0\" commands \(action) \(id); echo \"ended with $?\" >&2; } | :"
        let program = try await Program.tool(
          "/bin/sh", ["-c", script, try Program.path(of: "spotctl")], environment: peer.desk.environment)
        _ = try await program.waitForExit()
        #expect(program.lines == ["ended with 141"], "\(program.output)")
      }
    }
  }

  @Test func aCommandsEndIsTheToolsEnd() async throws {
    try await withPeer { peer in
      for (outcome, exitCode, expected) in [
        (CommandResult.Outcome.succeeded, Int?(0), Int32(0)), (.failed, 42, 42), (.failed, nil, 1), (.timedOut, nil, 4),
        (.cancelled, nil, 1),
        (.expired, nil, 1),
      ] {
        var draft = CommandDraft(agentID: peer.agentID, clientID: "test", commandType: "x")
        draft.source = "test"
        let id = try await peer.store.insert(draft)
        try await peer.end(id, outcome, exitCode: exitCode)
        let row = try #require(try await peer.store.find(id: id))
        #expect(CommandCommands.exitCode(of: row) == expected, "\(outcome)")
      }
    }
  }
}
