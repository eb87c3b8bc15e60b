/// How long things may take and how often they happen: the design's and the guide's numbers, in one place so that tests can shorten them.
struct AgentTimings: Sendable {
  /// For a confirm from the broker, and for the answer to a registration (the guide: "default: 30s").
  var replyTimeout = Duration.seconds(30)
  /// For name resolution, TCP, TLS and login together.
  var connectTimeout = Duration.seconds(10)
  /// How long to leave another agent alone that runs under our name, before asking again; up to twice that, by chance.
  var conflictDelay = Duration.seconds(30)
  /// The longest pause between attempts.
  var retryCeiling = Duration.seconds(60)
  /// For commands in hand to end by themselves when stopping. With the next two and the connection's own farewell (2 s) it stays within the five
  /// seconds in which a stopped agent is gone.
  var commandGrace = Duration.seconds(1)
  /// Between TERM and KILL for a program that still runs then, and for its result.
  var killGrace = Duration.milliseconds(500)
  /// For a former process of the same agent to end and let go of the journal.
  var journalPatience = Duration.seconds(6)
  /// For the confirm of the last heartbeat when stopping.
  var farewellTimeout = Duration.seconds(1)
  /// For each question to the instance metadata service; off EC2 the first one ends the asking, so a start there waits that long.
  var metadataTimeout = Duration.seconds(1)
  /// For all questions at the start together. A machine that is just booting answers slowly, and an agent that did not learn its instance hears of no
  /// spot notice.
  var metadataLimit = Duration.seconds(5)
  /// Between two questions to it for spot notices: AWS says every five seconds, and gives two minutes.
  var noticeInterval = Duration.seconds(2)
  /// For the confirm of a notice, which is sent again after that: earlier than other messages, because its time is short.
  var noticeConfirmTimeout = Duration.seconds(5)
}
