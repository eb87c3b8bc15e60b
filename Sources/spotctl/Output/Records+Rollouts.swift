import Server
import ServiceRuntime

extension Record {
  /// A row of `rollouts`.
  init(_ rollout: Rollout) {
    add("id", .text(rollout.id), listed: true)
    add("state", .text(rollout.state.rawValue), listed: true)
    add("reason", Cell(rollout.reason))
    add("command_type", .text(rollout.commandType), listed: true)
    add("parameters", Cell(json: rollout.parameters))
    add("target", .text(rollout.target), listed: true)
    add("concurrency", .text("\(rollout.concurrency)"))
    add("max_errors", .text("\(rollout.maxErrors)"))
    add("canary", Cell(rollout.canary.map { "\($0)" }))
    add("concurrency_limit", Cell(rollout.policy?.concurrency))
    add("error_limit", Cell(rollout.policy?.tolerated))
    add("canary_size", Cell(rollout.policy?.canary))
    add("priority", .number(rollout.priority))
    add("timeout_seconds", .number(rollout.timeoutSeconds))
    add("deliver_within_seconds", .number(rollout.deliverWithinSeconds))
    add("created_by", Cell(rollout.createdBy))
    add("created_at", .time(rollout.createdAt), listed: true)
    add("start_at", Cell(rollout.startAt))
    add("started_at", Cell(rollout.startedAt))
    add("paused_at", Cell(rollout.pausedAt))
    add("give_up_at", Cell(rollout.giveUpAt))
    add("finished_at", Cell(rollout.finishedAt), listed: true)
    add("targets", .number(rollout.counts.total), listed: true)
    for state in RolloutTargetState.allCases {
      add(state.rawValue, .number(rollout.counts[state]), listed: [.waiting, .sent, .succeeded, .failed].contains(state))
    }
  }

  /// The same, with what is not in the row.
  init(_ progress: RolloutProgress) {
    self.init(progress.rollout)
    add("away", .number(progress.away))
    add("seconds_left", Cell(progress.estimate.map { Int($0.inSeconds.rounded(.up)) }))
  }
}
