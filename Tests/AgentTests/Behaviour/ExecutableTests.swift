import FleetProtocol
import Foundation
import ServiceRuntime
import TestSupport
import Testing

@testable import Agent

extension AgentBehaviour {
  @Suite struct Executables {
    /// What a test's commands leave behind, and where.
    struct Place {
      let commands: CommandsFixture
      /// One line for each time a command did its work.
      let effects: String
      /// While there is a file of this name, `hold` goes on.
      let gate: String

      init() throws {
        commands = try CommandsFixture()
        effects = commands.path + "/../effects"
        gate = commands.path + "/../gate"
        try commands.add("note", #"echo "$SPOT_OPTIMIZER_COMMAND_ID" >> "\#(effects)"; echo done"#)
        try commands.add(
          "hold", #"echo "$SPOT_OPTIMIZER_COMMAND_ID" >> "\#(effects)"; while [ -e "\#(gate)" ]; do sleep 0.02; done; echo let go"#)
        try close()
      }

      func close() throws { try Data().write(to: URL(fileURLWithPath: gate)) }
      func open() throws { try FileManager.default.removeItem(atPath: gate) }

      /// The ids of the commands that did their work, in that order.
      func done() -> [String] {
        // Not there before the first.
        let text = (try? String(contentsOfFile: effects, encoding: .utf8)) ?? ""
        return text.split(separator: "\n").map(String.init)
      }
    }

    private func environment(_ handle: PeerHandle, _ place: Place, atOnce: Int = 4, _ more: [String: String] = [:]) -> [String: String] {
      handle.environment([
        "SPOT_OPTIMIZER_COMMANDS_DIR": place.commands.path, "SPOT_OPTIMIZER_MAX_CONCURRENT_COMMANDS": "\(atOnce)",
      ]).merging(more) { $1 }
    }

    private func withServedAgent(atOnce: Int = 4, _ body: (TestPeer, LogCapture, Place, String) async throws -> Void) async throws {
      let place = try Place()
      try await withPeer { handle in
        let environment = environment(handle, place, atOnce: atOnce)
        try await withAgent(environment) { log in
          try await log.wait(for: "takes its commands from the queue")
          let state = try #require(environment["SPOT_OPTIMIZER_STATE_DIR"])
          let journal = try #require(try FileManager.default.contentsOfDirectory(atPath: state).first { $0.hasPrefix("journal-") })
          try await body(handle.peer, log, place, "\(state)/\(journal)")
        }
        #expect(await handle.peer.problems == [])
      }
    }

    private func result(of command: Command, from peer: TestPeer) async throws -> CommandResult {
      try await eventualValue("the result of \(command.commandType)", timeout: .seconds(60)) { await peer.results(for: command.id).first }
    }

    /// Sends a command that holds a place until the gate opens, and waits until it runs.
    private func hold(_ peer: TestPeer, _ place: Place, timeoutSeconds: Int? = nil) async throws -> Command {
      let command = await peer.command("hold", timeoutSeconds: timeoutSeconds)
      try await peer.send(command)
      try await eventually("it runs") { place.done().contains(command.id) }
      return command
    }

    private func hasShrunk(_ journal: String) async throws {
      try await eventually("a command's entry has become a line in the list") {
        try FileManager.default.contentsOfDirectory(atPath: journal).sorted() == ["done", "lock"]
      }
    }

    @Test func anExecutableIsRunAndReportedWithItsOutputAndExitCode() async throws {
      try await withServedAgent { peer, _, place, journal in
        try place.commands.add("work", #"cat; echo "$SPOT_OPTIMIZER_PARAM_NAME" >&2; exit 3"#)
        let command = await peer.command("work", parameters: ["name": "ä"])
        try await peer.send(command)
        let result = try await result(of: command, from: peer)
        #expect(result.status == .failed && result.exitCode == 3 && result.error == "Ended with exit code 3")
        #expect(result.standardOutput == #"{"name":"ä"}"# + "\n" && result.standardError == "ä\n")
        #expect(result.standardOutputBytes == 14 && result.standardErrorBytes == 3 && result.output == nil)
        #expect(await peer.stages(of: command.id) == [.running])
        try await hasShrunk(journal)
      }
    }

    @Test func aCommandThatComesTwiceDoesItsWorkOnceHoweverLateItComes() async throws {
      try await withServedAgent { peer, log, place, journal in
        let command = await peer.command("note", expiresAt: peer.now.advanced(by: .seconds(5)))
        try await peer.send(command)
        #expect(try await result(of: command, from: peer).status == .succeeded)
        try await hasShrunk(journal)
        try await peer.send(command)
        try await eventually("a second answer") { await peer.results(for: command.id).count == 2 }
        let second = try #require(await peer.results(for: command.id).last)
        #expect(second.status == .succeeded && second.exitCode == 0 && second.standardOutput == nil)
        #expect(place.done() == [command.id])
      }
    }

    @Test func aCommandOnAReconnectingAgentIsNotRunAgainAndItsResultIsKept() async throws {
      try await withServedAgent { peer, log, place, _ in
        let command = try await hold(peer, place)
        try await peer.deleteAgentQueue()
        try await eventually("it has a queue again") { log.count("takes its commands from the queue") >= 2 }
        try await peer.send(command)
        try await log.wait(for: "came again while the agent has it")
        try place.open()
        #expect(try await result(of: command, from: peer).status == .succeeded)
        #expect(place.done() == [command.id])
      }
    }

    @Test func aResultWaitsForABrokerThatIsAway() async throws {
      let place = try Place()
      try await withPeer { handle in
        let peer = handle.peer
        try await withAgent(environment(handle, place)) { log in
          try await log.wait(for: "takes its commands from the queue")
          let command = try await hold(peer, place)
          await peer.stopWorking()
          try await peer.services.stopBroker()
          try await log.wait(for: "lost its connection to the broker")
          try place.open()
          try await log.wait(for: "finished the command \(command.id)")
          try await peer.services.startBroker()
          try await handle.startWorking()
          let result = try await eventualValue("its result", timeout: .seconds(60)) { await peer.results(for: command.id).first }
          #expect(result.status == .succeeded && result.standardOutput == "let go\n")
          #expect(result.sentAt > result.finishedAt && place.done() == [command.id])
        }
        #expect(await peer.problems == [])
      }
    }

    @Test func theMostUrgentWaitingCommandIsNextAndSaysThatItWaits() async throws {
      try await withServedAgent(atOnce: 1) { peer, log, place, _ in
        let first = try await hold(peer, place)
        var waiting: [Command] = []
        for priority in [25, 10, 100, 25] {
          let command = await peer.command("note", priority: priority)
          try await peer.send(command)
          try await eventually("it waits") { await peer.stages(of: command.id) == [.delivered] }
          waiting.append(command)
        }
        try place.open()
        for command in waiting { #expect(try await result(of: command, from: peer).status == .succeeded) }
        #expect(place.done() == [first, waiting[2], waiting[0], waiting[3], waiting[1]].map(\.id))
        #expect(await peer.stages(of: waiting[0].id) == [.delivered, .running])
      }
    }

    @Test func longCommandsDelayNeitherAPingNorAHeartbeatNorACancellation() async throws {
      try await withServedAgent(atOnce: 2) { peer, _, place, _ in
        var running: [Command] = []
        for _ in 0..<2 { running.append(try await hold(peer, place)) }
        var waiting: [Command] = []
        for _ in 0..<20 {
          waiting.append(await peer.command("note"))
          try await peer.send(waiting[waiting.count - 1])
        }
        let heartbeats = await peer.heartbeats.count
        let ping = await peer.command("ping")
        try await peer.send(ping)
        #expect(try await result(of: ping, from: peer).status == .succeeded)
        try await peer.cancel(running[0].id)
        #expect(try await result(of: running[0], from: peer).status == .cancelled)
        try await eventually("heartbeats go on") { await peer.heartbeats.count > heartbeats }
        try place.open()
        for command in waiting { #expect(try await result(of: command, from: peer).status == .succeeded) }
      }
    }

    @Test func aCancellationSaysWhetherTheCommandHadBegun() async throws {
      try await withServedAgent(atOnce: 1) { peer, log, place, _ in
        let running = try await hold(peer, place)
        let waiting = await peer.command("note")
        try await peer.send(waiting)
        try await eventually("it waits") { await peer.stages(of: waiting.id) == [.delivered] }
        try await peer.cancel(waiting.id)
        let second = try await result(of: waiting, from: peer)
        #expect(second.status == .cancelled && second.error == "Called off before it was started")
        try await peer.cancel(running.id)
        let first = try await result(of: running, from: peer)
        #expect(first.status == .cancelled && first.error == "Called off while it ran, and killed" && first.exitCode == nil)
        // One that overtook its command.
        let late = await peer.command("note")
        try await peer.cancel(late.id)
        try await log.wait(for: "The command \(late.id) was called off and is not here")
        try await peer.send(late)
        #expect(try await result(of: late, from: peer).status == .cancelled)
        #expect(place.done() == [running.id])
      }
    }

    @Test func aCancellationThatWasNotSignedByTheServerIsNotHeeded() async throws {
      try await withServedAgent { peer, log, place, _ in
        let running = try await hold(peer, place)
        try await peer.cancel(running.id, token: "another-token-entirely")
        try await log.wait(for: "of its queue: its signature does not match")
        try place.open()
        #expect(try await result(of: running, from: peer).status == .succeeded)
      }
    }

    @Test func aCommandPastItsTimeIsKilledAndOneThatExpiredWhileItWaitedIsNotBegun() async throws {
      try await withServedAgent(atOnce: 1) { peer, _, place, _ in
        let slow = try await hold(peer, place, timeoutSeconds: 1)
        let late = await peer.command("note", expiresAt: peer.now.advanced(by: .milliseconds(200)))
        try await peer.send(late)
        #expect(try await result(of: slow, from: peer).status == .timedOut)
        let result = try await result(of: late, from: peer)
        #expect(result.status == .expired && result.error?.contains("before it could be started") == true)
        #expect(place.done() == [slow.id])
      }
    }

    @Test func outputIsPublishedWhileTheCommandRunsIfSomebodyFollowsIt() async throws {
      try await withServedAgent { peer, _, place, _ in
        try place.commands.add(
          "talk", #"echo "ä one"; echo oops >&2; while [ -e "\#(place.gate)" ]; do sleep 0.02; done; echo two"#)
        let followed = await peer.command("talk", streamsOutput: true)
        let alone = await peer.command("talk")
        try await peer.send(followed)
        try await peer.send(alone)
        try await eventually("its first words, before it has ended") { await !peer.pieces(of: followed.id).isEmpty }
        #expect(await peer.results(for: followed.id).isEmpty)
        try place.open()
        let result = try await result(of: followed, from: peer)
        _ = try await self.result(of: alone, from: peer)
        try await eventually("all of its words") { await peer.pieces(of: followed.id).map(\.text).joined().contains("two") }
        let pieces = await peer.pieces(of: followed.id)
        #expect(pieces.map(\.sequence) == Array(1...pieces.count))
        #expect(pieces.filter { $0.stream == .standardOutput }.map(\.text).joined() == result.standardOutput)
        #expect(pieces.filter { $0.stream == .standardError }.map(\.text).joined() == "oops\n")
        #expect(await peer.pieces(of: alone.id).isEmpty)
        #expect(await peer.output.allSatisfy { !$0.message.persistent })
      }
    }

    @Test func whileTheJournalCannotBeWrittenNothingIsTakenAndThenItGoesOn() async throws {
      try await withServedAgent { peer, log, place, journal in
        let command = await peer.command("note")
        // In the way of its entry.
        let obstacle = "\(journal)/\(command.id).command"
        try FileManager.default.createDirectory(atPath: "\(obstacle)/x", withIntermediateDirectories: true)
        try await peer.send(command)
        try await log.wait(for: "ERROR - The journal of commands in \(journal) cannot be written: \(obstacle) cannot be replaced")
        let ping = await peer.command("ping")
        try await peer.send(ping)
        #expect(try await result(of: ping, from: peer).status == .succeeded)
        #expect(await peer.results(for: command.id).isEmpty && place.done() == [])
        try FileManager.default.removeItem(atPath: obstacle)
        #expect(try await result(of: command, from: peer).status == .succeeded)
        try await log.wait(for: "can be written again")
        #expect(log.count("ERROR - The journal of commands") == 1)
      }
    }

    @Test func aConfigurationIsAppliedToldInHeartbeatsAndDescribed() async throws {
      try await withServedAgent { peer, _, _, _ in
        let configure = await peer.command("configure", parameters: ["version": 4, "config": ["enabled": false]])
        try await peer.send(configure)
        let applied = try await result(of: configure, from: peer)
        #expect(applied.output?["applied"] == true && applied.output?["version"] == 4 && applied.output?["config"]?["enabled"] == false)
        try await eventually("a heartbeat says so") {
          let last = await peer.heartbeats.last?.body
          return last?.status == .disabled && last?.configVersion == 4
        }
        let older = await peer.command("configure", parameters: ["version": 3, "config": [:]])
        try await peer.send(older)
        #expect(try await result(of: older, from: peer).output?["applied"] == false)
        let wrong = await peer.command("configure", parameters: ["version": 5, "config": ["enable": true]])
        try await peer.send(wrong)
        let refused = try await result(of: wrong, from: peer)
        #expect(refused.status == .failed && refused.error?.contains("known are auto_switch_enabled, ") == true)
        let describe = await peer.command("describe")
        try await peer.send(describe)
        let description = try await result(of: describe, from: peer).output
        #expect(description?["config_version"] == 4 && description?["config"]?["enabled"] == false)
        #expect(description?["commands"] == ["configure", "describe", "hold", "note", "ping"])
      }
    }
  }
}
