import Diagnosis
import FleetProtocol
import HTTP
import MySQL
import ServiceRuntime

extension Examination {
  /// Who works, by what the processes leave in the database, and whether the HTTP front of this machine answers.
  mutating func lookAtServers() async throws {
    try await lookAtLeader()
    try await lookAtRelay()
    try await lookAtFront()
  }

  /// The worker that watches presence holds a lock by name for as long as it runs.
  private mutating func lookAtLeader() async throws {
    let check = "presence watch"
    // Workers let go of it while they have no broker, so its absence says nothing then.
    guard broker != nil else { return report.skip(check, because: brokerTrouble) }
    try await onDatabase(check) { connection in
      let row = try await connection.query("SELECT IS_USED_LOCK(\(LeaderLock.scoped)) AS holder", [.text(PresenceWatch.lockName)]).first
      guard let holder = try row?.optionalInt("holder") else {
        let remedy = "systemctl start spot-optimizer-server (role all or worker)"
        return [.fail(check, "no worker does it: nobody is called offline, and none may run", remedy: remedy)]
      }
      let host = await Self.host(of: holder, on: connection).map { " from \(printable($0))" } ?? ""
      return [.pass(check, "a worker\(host) does it (connection \(holder))")]
    }
  }

  /// Where a connection comes from, if this login may see it.
  private static func host(of connectionID: Int, on connection: Connection) async -> String? {
    // It only makes the line richer; not every server has this table.
    let rows = try? await connection.query("SELECT host FROM information_schema.processlist WHERE id = ?", [.int(Int64(connectionID))])
    return try? rows?.first?.optionalString("host")
  }

  private mutating func lookAtRelay() async throws {
    let check = "event relay"
    try await onDatabase(check) { connection in
      let row = try await connection.query(
        """
        SELECT COUNT(*) AS waiting, TIMESTAMPDIFF(SECOND, MIN(time), NOW(3)) AS age FROM \
        (SELECT time FROM fleet_events WHERE published_at IS NULL ORDER BY seq LIMIT 10000) AS oldest
        """
      ).first
      let lease = try await connection.query(
        "SELECT TIMESTAMPDIFF(SECOND, until, NOW(3)) AS age FROM leases WHERE name = ?", [.text(EventRelay.leaseName)])
      let (waiting, age) = (try row?.int("waiting") ?? 0, try row?.optionalInt("age") ?? 0)
      let last = try lease.first?.optionalInt("age").map { max(0, $0) }
      let worked = last.map { "it last worked \($0) s ago" } ?? "it has never worked"
      guard waiting == 0 || age < 60 else {
        return [
          .fail(
            check,
            "\(counted(waiting, "event")) wait to be published\(waiting == 10_000 ? " or more" : ""), the oldest for \(age) s; \(worked)",
            remedy: "see why in the log: journalctl -u spot-optimizer-server | grep 'Events wait'")
        ]
      }
      return [.pass(check, "\(counted(waiting, "event")) wait to be published; \(worked)")]
    }
  }

  /// Only warns: the front may run on other machines.
  private mutating func lookAtFront() async throws {
    let check = "HTTP front"
    guard let settings, settings.httpPort != 0 else {
      return report.skip(check, because: "HTTP_PORT is 0, a port that only the server's log names")
    }
    let host = ["0.0.0.0", "::"].contains(settings.httpHost) ? "127.0.0.1" : settings.httpHost
    let url = "http://\(host.contains(":") ? "[\(host)]" : host):\(settings.httpPort)/health"
    let client = HTTPClient(
      userAgent: "spotctl/\(programVersion)", connectTimeout: .seconds(2), timeout: .seconds(5), responseLimit: 65_536)
    defer { client.close() }
    do throws(HTTPClientError) {
      let started = ContinuousClock.now
      let response = try await client.send(HTTPClientRequest(url: url, bypassesProxy: true))
      let took = started.duration(to: .now).inMilliseconds
      report.add(Self.finding(check, url, response, took))
    } catch {
      report.add(
        .warn(
          check, "\(url): \(error)",
          remedy: "if it is to run on this machine: systemctl start spot-optimizer-server, or correct HTTP_HOST and HTTP_PORT"))
    }
    try Task.checkCancellation()
  }

  private static func finding(_ check: String, _ url: String, _ response: HTTPResponse, _ took: String) -> Finding {
    // Another program may listen there, with an answer of another form.
    let body = try? WireCoding.decodeJSON(JSONValue.self, from: response.body)
    guard case .object(let fields) = body, case .string(let version) = fields["version"] else {
      return .warn(check, "\(url) answers \(response.status) and is no Spot Optimizer", remedy: "ss -ltnp; correct HTTP_PORT")
    }
    guard response.status == 200 else {
      let reason = if case .string(let text) = fields["error"] { text } else { "unhealthy" }
      return .warn(check, "\(url) answers \(response.status): \(printable(reason))", remedy: "journalctl -u spot-optimizer-server")
    }
    guard version == programVersion else {
      return .warn(
        check, "\(url) is version \(printable(version)), this spotctl \(programVersion)",
        remedy: "apt install --only-upgrade spot-optimizer-server")
    }
    return .pass(check, "\(url) answers 200 in \(took), version \(version)")
  }
}
