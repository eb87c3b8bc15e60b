import FleetProtocol
import Server

extension Agent {
  /// Whether what is sent to it reaches it now: also one that is switched off, in trouble or moving takes commands.
  var isReachable: Bool { ![.offline, .deleted].contains(status) }
}
