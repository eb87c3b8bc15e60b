import AMQP
import MySQL
import Server
import ServiceRuntime

/// What any honest worker can only approach: a loop over the same libraries that consumes, updates rows by an `IN` list and acknowledges, with
/// neither signatures nor JSON, into a table that has nothing but what it writes.
struct Yardstick: Sendable {
  /// Heartbeats in a statement.
  static let batchSize = 5000

  let fleet: BenchFleet
  let broker: ConnectionConfiguration
  let database: DatabaseConfiguration
  let loop: EventLoop

  /// The name of its queue and, with underscores, of its table.
  var name: String { fleet.clientID }
  private var table: String { name.map { $0 == "-" ? "_" : String($0) }.joined() }

  /// Makes its queue, a quorum queue as the server's are, and its table.
  func prepare() async throws {
    try await withConnection(broker, on: loop) { connection in
      _ = try await connection.openChannel().declareQueue(name, arguments: ["x-queue-type": .text("quorum")])
    }
    try await withDatabase { connection in
      try await connection.execute(
        """
        CREATE TABLE \(table) (id CHAR(36) PRIMARY KEY, status VARCHAR(20), last_heartbeat_at TIMESTAMP(3) NULL, KEY (last_heartbeat_at)) \
        ENGINE=InnoDB
        """)
      try await connection.execute(
        "INSERT INTO \(table) (id, status) SELECT id, status FROM agents WHERE client_id = ?", [.text(fleet.clientID)])
    }
  }

  /// Takes both away again, as far as they were made.
  func remove() async {
    do {
      try await withConnection(broker, on: loop) { connection in try await connection.openChannel().deleteQueue(name) }
      _ = try await withDatabase { connection in try await connection.execute("DROP TABLE IF EXISTS \(table)") }
    } catch {
      say("the yardstick's queue and table '\(name)' could not be taken away: \(error)")
    }
  }

  /// Drains `count` heartbeats and returns the time from the start of consuming to the last acknowledgement.
  func drain(_ count: Int) async throws -> Duration {
    guard let member = fleet.members.first else { return .zero }
    let id = try HeartbeatTemplate.idOffset(of: member)
    let table = SQLText(sql: "UPDATE \(table) SET status = 'online', last_heartbeat_at = NOW(3) WHERE id IN (")
    return try await withConnection(broker, on: loop) { connection in
      let channel = try await connection.openChannel()
      try await channel.setPrefetch(UInt16(3 * Self.batchSize))
      return try await withDatabase { database in
        let began = ContinuousClock.now
        let consumer = try await channel.consume(name)
        var done = 0
        while done < count {
          var sql = table
          var size = 0
          var lastTag: UInt64 = 0
          while size < min(Self.batchSize, count - done) {
            for delivery in try await consumer.nextBatch(upTo: min(Self.batchSize, count - done) - size) {
              if size > 0 { sql.append(sql: ",") }
              sql.append(.text(String(decoding: delivery.message.body[id..<(id + 36)], as: UTF8.self)))
              size += 1
              lastTag = delivery.deliveryTag
            }
          }
          sql.append(sql: ")")
          try await database.executeText(sql)
          try await channel.acknowledge(lastTag, multiple: true)
          done += size
        }
        return began.duration(to: .now)
      }
    }
  }

  private func withDatabase<Result: Sendable>(_ body: (MySQL.Connection) async throws -> Result) async throws -> Result {
    let connection = try await MySQL.Connection.open(database)
    do {
      let result = try await body(connection)
      await connection.close()
      return result
    } catch {
      await connection.close()
      throw error
    }
  }
}
