import AMQP
import FleetProtocol
import ServiceRuntime
import TestSupport
import Testing

@testable import Server

/// From a row in `fleet_events` to whoever subscribes: all of them, in order, and each recognizable when it comes twice.
@Suite struct EventRelayTests {
  private func event(_ number: Int, subject: String = "s", type: EventType = .commandRunning, client: String? = "c1") -> FleetEvent {
    FleetEvent(type, clientID: client, subject: subject, data: ["n": .int(Int64(number)), "text": "ü\"'\\\n"])
  }

  @Test func publishesCloudEventsInBinaryMode() async throws {
    try await Bench.run(withoutServer: true) { bench in
      try await bench.subscribe()
      let odd = "a.b/ü c"
      try await bench.database.append([event(1, subject: "the-command", client: odd), event(2, type: .clientCreated, client: nil)])
      let rows = try await bench.database.sql("SELECT id, seq, time FROM fleet_events ORDER BY seq")
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await bench.runServer() }
        try await bench.waitUntilPublished()
        let deliveries = try await bench.peer.drain("subscriber")
        #expect(deliveries.map(\.routingKey) == ["command.running", "client.created"])
        let message = deliveries[0].message
        func header(_ name: String) -> FieldValue? { message.headers["cloudEvents:\(name)"] }
        let id = try rows[0].string("id")
        #expect(header("specversion") == .text("1.0") && header("id") == .text(id) && header("type") == .text("command.running"))
        #expect(header("source") == .text("/spot-optimizer/clients/a%2Eb%2F%C3%BC%20c") && header("subject") == .text("the-command"))
        #expect(header("time") == .text(try rows[0].timestamp("time").iso8601) && header("clientid") == .text(odd))
        #expect(header("sequence") == .text("00000000000000000001") && header("datacontenttype") == nil)
        #expect(message.contentType == "application/json" && message.messageID == id && message.type == "command.running")
        #expect(message.persistent)
        #expect(try WireCoding.decodeJSON(JSONValue.self, from: message.body) == ["n": 1, "text": "ü\"'\\\n"])
        #expect(deliveries[1].message.headers["cloudEvents:source"] == .text("/spot-optimizer"))
        #expect(deliveries[1].message.headers["cloudEvents:clientid"] == nil)
        // And back.
        let read = try #require(CloudEvent.event(of: message))
        #expect(read.id == id && read.seq == 1 && read.clientID == odd && read.fields?["n"] == 1)
        #expect(CloudEvent.event(of: DispatchWakeup.publication().message) == nil)
        bench.stopServers()
        try await group.waitForAll()
      }
    }
  }

  @Test func twoServersPublishEachEventInTheOrderOfItsSubject() async throws {
    try await Bench.run(withoutServer: true) { bench in
      try await bench.subscribe()
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<2 { group.addTask { try await bench.runServer() } }
        try await bench.waitUntilConsuming(2)
        // Written by ten at once, while both relays are at work.
        try await withThrowingTaskGroup(of: Void.self) { writers in
          for writer in 0..<10 {
            writers.addTask {
              for part in 0..<20 {
                try await bench.database.append((0..<25).map { event(part * 25 + $0, subject: "w\(writer)") })
              }
            }
          }
          try await writers.waitForAll()
        }
        try await bench.waitUntilPublished()
        let events = try await bench.peer.drain("subscriber").compactMap { CloudEvent.event(of: $0.message) }
        #expect(Set(events.map(\.id)).count == 5000 && events.count == 5000, "\(events.count) deliveries")
        for writer in 0..<10 {
          let numbers = events.filter { $0.subject == "w\(writer)" }.map { $0.fields?["n"] }
          #expect(numbers == (0..<500).map { .int(Int64($0)) })
        }
        bench.stopServers()
        try await group.waitForAll()
      }
    }
  }

  @Test func aRelayThatDiedBeforeItsMarkIsFollowedByOneThatPublishesTheSameIdAgain() async throws {
    try await Bench.run(withoutServer: true) { bench in
      try await bench.subscribe()
      try await bench.database.append((0..<10).map { event($0) })
      // What a relay leaves that dies between the confirm and its mark: a lease that runs out, and rows without a mark.
      let dead = Lease(bench.database.pool, name: EventRelay.leaseName, duration: .seconds(2))
      #expect(try await dead.take())
      let rows = try await bench.database.fleetEvents.waiting(after: 0, limit: 100).rows
      let channel = try await bench.peer.channel()
      try await channel.enableConfirms()
      for result in await channel.publish(rows.map(CloudEvent.publication)) { try result.get() }
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await bench.runServer() }
        try await bench.waitUntilPublished()
        let ids = try await bench.peer.drain("subscriber").map(\.message.messageID)
        #expect(ids == rows.map(\.id) + rows.map(\.id))
        bench.stopServers()
        try await group.waitForAll()
      }
    }
  }

  @Test(.timeLimit(.minutes(15))) func losesNothingWhenTheBrokerIsRestartedBetweenCommitAndPublishing() async throws {
    let services = try await LocalServices.separate()
    do {
      try await restartsTheBroker(services)
      try await services.stop()
    } catch {
      try await services.stop()
      throw error
    }
  }

  private func restartsTheBroker(_ services: LocalServices) async throws {
    try await Bench.run(services: services, withoutServer: true) { bench in
      try await bench.subscribe()
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await bench.runServer() }
        try await bench.waitUntilConsuming()
        let stop = StopRequest()
        group.addTask {
          var number = 0
          while !stop.isRequested {
            try await bench.database.append((number..<number + 20).map { event($0) })
            number += 20
            try await Task.sleep(for: .milliseconds(20))
          }
        }
        func published() async throws -> Int {
          try await bench.database.number("SELECT COUNT(*) AS n FROM fleet_events WHERE published_at IS NOT NULL")
        }
        try await eventually("events flow") { try await published() > 100 }
        try await services.stopBroker()
        let before = try await published()
        try await eventually("events wait") { try await bench.database.number("SELECT COUNT(*) AS n FROM fleet_events") > before + 500 }
        try await services.startBroker()
        try await eventually("events flow again", timeout: .seconds(60)) { try await published() > before + 500 }
        stop.request()
        try await bench.waitUntilPublished()
        bench.stopServers()
        try await group.waitForAll()
      }
      // The peer's connection went with the broker.
      let loop = EventLoop(name: "subscriber")
      defer { loop.stop() }
      let connection = try await AMQP.Connection.open(Bench.configuration(services, bench.virtualHost), on: loop)
      let deliveries = try await BenchPeer(connection).drain("subscriber")
      await connection.close()
      let ids = Set(try await bench.database.sql("SELECT id FROM fleet_events").map { try $0.string("id") })
      #expect(Set(deliveries.compactMap(\.message.messageID)) == ids, "\(deliveries.count) deliveries of \(ids.count) events")
    }
  }

  @Test func passesOverWhatCanNeverBePublished() async throws {
    try await Bench.run { bench in
      try await bench.subscribe()
      let long = String(repeating: "\u{10000}", count: 64)
      try await bench.database.sql(
        "INSERT INTO fleet_events (id, type, subject, data) VALUES (UUID(), '\(long)', 's', '{}'), (UUID(), 'command.running', 's', 'no json')"
      )
      try await bench.waitUntilPublished()
      #expect(try await bench.peer.drain("subscriber").map(\.routingKey) == ["command.running"])
      #expect(bench.log.count("can never be published and is passed over") == 1)
    }
  }

  @Test func keepsWhatWasPublishedForAWeekAndWhatWasNotForEver() async throws {
    try await FleetDatabase.with { database in
      try await database.append((0..<5).map { event($0) })
      try await database.sql("UPDATE fleet_events SET time = NOW(3) - INTERVAL 90 DAY")
      try await database.sql("UPDATE fleet_events SET published_at = NOW(3) - INTERVAL 8 DAY WHERE seq IN (1, 2, 3)")
      try await database.sql("UPDATE fleet_events SET published_at = NOW(3) - INTERVAL 6 DAY WHERE seq = 4")
      #expect(try await database.fleetEvents.prune(olderThanDays: 7, limit: 2) == 2)
      #expect(try await database.fleetEvents.prune(olderThanDays: 7, limit: 2) == 1)
      #expect(try await database.sql("SELECT seq FROM fleet_events ORDER BY seq").map { try $0.int("seq") } == [4, 5])
    }
  }

  @Test func aLeaseIsOnesAtATimeAndEndsByItself() async throws {
    try await FleetDatabase.with { database in
      let (one, two) = (
        Lease(database.pool, name: "l", duration: .milliseconds(400)), Lease(database.pool, name: "l", duration: .seconds(60))
      )
      #expect(try await one.take())
      #expect(try await !two.take())
      #expect(try await one.take(), "who has it holds it longer")
      try await eventually("it has run out") { try await two.take() }
      #expect(try await !one.take())
      try await one.release()
      #expect(try await !one.take(), "only the holder gives it up")
      try await two.release()
      #expect(try await one.take())
      #expect(try await Lease(database.pool, name: "other", duration: .seconds(1)).take())
    }
  }

  @Test(arguments: ["agent.*", "#", "*.failed", "agent.#", "command.timed_out", "#.online", "*.*"]) func takesThePatternsOfTopicExchanges(
    _ text: String
  ) throws {
    let pattern = try EventPattern(text)
    #expect(!pattern.types.isEmpty)
    let expected: [String: Int] = ["agent.*": 5, "*.failed": 1, "agent.#": 5, "command.timed_out": 1, "#.online": 1]
    #expect(pattern.types.count == expected[text] ?? EventType.allCases.count)
  }

  @Test(arguments: ["", "agents.*", "agent", "agent.*.*", "agent..online", "Agent.*", "agent.* ", "a' OR 1", "agent.onl*"])
  func refusesPatternsThatFitNothing(_ text: String) {
    #expect(throws: EventPattern.Problem.self) { try EventPattern(text) }
  }
}
