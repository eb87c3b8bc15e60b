import FleetProtocol
import MySQL
import ServiceRuntime

/// The statements for many heartbeats at once, whose rows are locked in the order they are given.
///
/// `UPDATE JSON_TABLE(the batch) STRAIGHT_JOIN agents`: the batch is read first and each agent found by its key. A JSON document is a fifth faster
/// than a UNION of as many SELECTs, and no burden for the parser. The order of assignments in an UPDATE of several tables is not defined, so
/// no assignment reads a column that another one sets: whether a heartbeat is the newest is a condition of the row (`WHERE`).
enum HeartbeatStatement {
  /// Time and status of every agent.
  static func presence(_ updates: ArraySlice<HeartbeatUpdate>, heartbeatTimeout: Duration) -> SQLText {
    var batch = JSONRows(capacity: updates.count * 56)
    for update in updates {
      batch.begin()
      batch.append(update.agentKey)
      batch.append(update.sentAt.storable)
      batch.append(update.status.rawValue)
    }
    var sql = SQLText(capacity: batch.count + 1024)
    sql.append(sql: "UPDATE JSON_TABLE(")
    sql.append(.text(batch.json))
    sql.append(
      sql: """
        , '$[*]' COLUMNS (agent_key BIGINT PATH '$[0]', sent_at DATETIME(3) PATH '$[1]', status VARCHAR(16) PATH '$[2]')) batch \
        STRAIGHT_JOIN agents ON agents.agent_key = batch.agent_key \
        SET agents.status = IF(batch.status IN ('offline', 'deleted') OR batch.sent_at >= NOW(3) - INTERVAL
        """)
    sql.append(sql: " ")
    sql.append(.int(heartbeatTimeout.milliseconds * 1000))
    sql.append(
      sql: " MICROSECOND, batch.status, agents.status), agents.last_heartbeat_at = LEAST(batch.sent_at, NOW(3)) WHERE ")
    sql.append(sql: isNewest)
    return sql
  }

  /// What agents say of themselves, written only where it differs from what is there: it seldom does, and writing it, with a text of any length
  /// in it, costs more than all the rest. `nil` when nobody says anything.
  static func details(_ updates: ArraySlice<HeartbeatUpdate>) -> SQLText? {
    var batch = JSONRows(capacity: updates.count * 96)
    for update in updates where update.hasDetails {
      batch.begin()
      batch.append(update.agentKey)
      batch.append(update.sentAt.storable)
      batch.append(update.monitoredInstances.map(JSONRows.array))
      batch.append(update.instanceID)
      batch.append(update.instanceType)
      batch.append(update.mode?.rawValue)
      batch.append(update.az)
      batch.append(update.configVersion.map(Int64.init))
    }
    guard batch.count > 0 else { return nil }
    var sql = SQLText(capacity: batch.count + 2048)
    sql.append(sql: "UPDATE JSON_TABLE(")
    sql.append(.text(batch.json))
    sql.append(
      sql: """
        , '$[*]' COLUMNS (agent_key BIGINT PATH '$[0]', sent_at DATETIME(3) PATH '$[1]', monitored_instances LONGTEXT PATH '$[2]', \
        instance_id VARCHAR(64) PATH '$[3]', instance_type VARCHAR(64) PATH '$[4]', mode VARCHAR(16) PATH '$[5]', az VARCHAR(64) PATH '$[6]', \
        config_version BIGINT PATH '$[7]')) batch STRAIGHT_JOIN agents ON agents.agent_key = batch.agent_key \
        SET agents.monitored_instances = COALESCE(batch.monitored_instances, agents.monitored_instances), \
        agents.instance_id = COALESCE(batch.instance_id, agents.instance_id), \
        agents.instance_type = COALESCE(batch.instance_type, agents.instance_type), agents.mode = COALESCE(batch.mode, agents.mode), \
        agents.az = COALESCE(batch.az, agents.az), \
        agents.applied_config_version = COALESCE(batch.config_version, agents.applied_config_version) WHERE (
        """)
    sql.append(sql: isNewest)
    sql.append(
      sql: """
        ) AND NOT (COALESCE(batch.monitored_instances, agents.monitored_instances) <=> agents.monitored_instances \
        AND COALESCE(batch.instance_id, agents.instance_id) <=> agents.instance_id \
        AND COALESCE(batch.instance_type, agents.instance_type) <=> agents.instance_type \
        AND COALESCE(batch.mode, agents.mode) <=> agents.mode AND COALESCE(batch.az, agents.az) <=> agents.az \
        AND COALESCE(batch.config_version, agents.applied_config_version) <=> agents.applied_config_version)
        """)
    return sql
  }

  private static let isNewest: StaticString =
    "agents.last_heartbeat_at IS NULL OR agents.last_heartbeat_at <= LEAST(batch.sent_at, NOW(3))"
}

extension HeartbeatUpdate {
  var hasDetails: Bool {
    monitoredInstances != nil || instanceID != nil || instanceType != nil || mode != nil || az != nil || configVersion != nil
  }
}
