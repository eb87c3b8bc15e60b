import FleetProtocol
import Foundation
import ServiceRuntime
import TestSupport
import Testing

@testable import Agent

extension AgentBehaviour {
  /// What becomes of commands when the agent's process ends, in good order or not.
  @Suite struct AgentEnd {
    private typealias Place = AgentBehaviour.Executables.Place

    private func environment(_ handle: PeerHandle, _ place: Place) -> [String: String] {
      handle.environment(["SPOT_OPTIMIZER_COMMANDS_DIR": place.commands.path, "SPOT_OPTIMIZER_MAX_CONCURRENT_COMMANDS": "1"])
    }

    private func result(of command: Command, from peer: TestPeer) async throws -> CommandResult {
      try await eventualValue("the result of \(command.commandType)", timeout: .seconds(60)) { await peer.results(for: command.id).first }
    }

    /// Has one command running and one waiting, ends the process by `signal`, and goes on with the next process.
    private func endProcess(
      by signal: Int32, _ command: String = "hold", _ body: (TestPeer, Place, _ running: Command, _ waiting: Command) async throws -> Void
    ) async throws {
      let place = try Place()
      try place.commands.add("again", try String(contentsOfFile: "\(place.commands.path)/hold", encoding: .utf8))
      try place.commands.add("again.repeatable", "", mode: 0o644)
      try await withPeer { handle in
        let environment = environment(handle, place)
        let running = await handle.peer.command(command)
        let waiting = await handle.peer.command("note")
        try await withProgram("spot-optimizer-agent", environment: environment) { program in
          try await program.waitForLine(containing: "takes its commands from the queue")
          for one in [running, waiting] { try await handle.peer.send(one) }
          try await eventually("one waits while the other runs") {
            let stages = await handle.peer.stages(of: waiting.id)
            return stages == [.delivered] && place.done() == [running.id]
          }
          program.send(signal)
          let start = ContinuousClock.now
          try await program.waitForExit()
          #expect(start.duration(to: .now) < .seconds(5))
        }
        try place.open()
        try await withProgram("spot-optimizer-agent", environment: environment) { program in
          try await program.waitForLine(containing: "takes its commands from the queue")
          try await body(handle.peer, place, running, waiting)
        }
        #expect(await handle.peer.problems == [])
      }
    }

    @Test func afterAKillTheRunningCommandHasFailedAndTheWaitingOneRuns() async throws {
      try await endProcess(by: SIGKILL) { peer, place, running, waiting in
        let lost = try await result(of: running, from: peer)
        #expect(lost.status == .failed && lost.error?.contains("The agent ended while the command ran") == true)
        #expect(try await result(of: waiting, from: peer).status == .succeeded)
        #expect(place.done() == [running.id, waiting.id])
      }
    }

    @Test func afterAKillARepeatableCommandRunsAgain() async throws {
      try await endProcess(by: SIGKILL, "again") { peer, place, running, waiting in
        let (again, next) = (try await result(of: running, from: peer), try await result(of: waiting, from: peer))
        #expect(again.status == .succeeded && next.status == .succeeded)
        #expect(place.done() == [running.id, running.id, waiting.id])
      }
    }

    @Test func aStopEndsTheRunningCommandReportsItAndLeavesTheWaitingOneToTheNextProcess() async throws {
      try await endProcess(by: SIGTERM) { peer, place, running, waiting in
        #expect(try await result(of: waiting, from: peer).status == .succeeded)
        let results = await peer.results(for: running.id)
        let stopped = try #require(results.first)
        #expect(results.count == 1 && stopped.status == .failed && stopped.error?.contains("The agent was stopped") == true)
        #expect(place.done() == [running.id, waiting.id])
      }
    }

    @Test func aStopWhileTheBrokerIsAwayLeavesTheResultToTheNextProcess() async throws {
      let place = try Place()
      try await withPeer { handle in
        let environment = environment(handle, place)
        let running = await handle.peer.command("hold")
        try await withProgram("spot-optimizer-agent", environment: environment) { program in
          try await program.waitForLine(containing: "takes its commands from the queue")
          try await handle.peer.send(running)
          try await eventually("it runs") { place.done() == [running.id] }
          await handle.peer.stopWorking()
          try await handle.peer.services.stopBroker()
          try await program.waitForLine(containing: "lost its connection to the broker")
          let start = ContinuousClock.now
          program.send(SIGTERM)
          #expect(try await program.waitForExit() == .exited(0))
          #expect(start.duration(to: .now) < .seconds(5))
        }
        try await handle.peer.services.startBroker()
        try await handle.startWorking()
        try await withProgram("spot-optimizer-agent", environment: environment) { program in
          try await program.waitForLine(containing: "waits to be reported since before the agent started")
          #expect(try await result(of: running, from: handle.peer).error?.contains("The agent was stopped") == true)
        }
      }
    }

    @Test func aSecondProcessOfTheSameAgentDoesNotStart() async throws {
      let place = try Place()
      try await withPeer { handle in
        let environment = environment(handle, place)
        try await withProgram("spot-optimizer-agent", environment: environment) { program in
          try await program.waitForLine(containing: "takes its commands from the queue")
          let (exit, log) = try await endOfAgent(environment, timings: .impatient)
          #expect(exit == .startupFailed && log.contains("ERROR - Another process uses the journal "))
          program.send(SIGTERM)
          #expect(try await program.waitForExit() == .exited(0))
        }
      }
    }

    @Test func withoutADiskACommandIsDoneWithWhenItsResultWasReported() async throws {
      let clock = FleetClock()
      let log = LogCapture()
      let desk = CommandDesk.inMemory(places: 1, clock: clock, log: log.logger)
      desk.ledger.update { $0.open() }
      let command = Command(id: "c-1", agentID: "agent-1", commandType: "work", createdAt: clock.now())
      let taken = Lock<[CommandDesk.Taken]>([])
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<2 {
          group.addTask {
            let outcome = await desk.take(command)
            taken.withLock { $0.append(outcome) }
          }
        }
        let ticket = try await desk.ledger.first { $0.next }
        desk.ledger.update { _ = $0.beginNext() }
        #expect(desk.ledger.value.entries["c-1"]?.command == command)
        // Both have come before it ends: one that came after the report would be answered with the result.
        try await eventually("the other has come") { log.contains("came again while") || taken.withLock { $0.contains(.later) } }
        await desk.end(CommandResult(.failed, ticket, error: "no", now: clock.now()), ticket)
        let result = try #require(await desk.result(of: "c-1"))
        // One of the two may have found the other arriving, and comes again later.
        #expect(taken.withLock { !$0.contains(.kept) })
        await desk.confirmed(result)
        try await group.waitForAll()
      }
      #expect(taken.withLock { $0.contains(.kept) && !$0.contains { if case .answer = $0 { true } else { false } } })
    }
  }
}

extension AgentTimings {
  fileprivate static var impatient: AgentTimings {
    var timings = AgentTimings.forTests
    timings.journalPatience = .milliseconds(300)
    return timings
  }
}
