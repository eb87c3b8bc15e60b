import FleetProtocol

/// What an agent knows of the instance it runs on. Off EC2 nothing is known, and the registration says so.
struct InstanceMetadata: Sendable, Equatable {
  /// Such as `i-0123456789abcdef0`.
  var instanceID: String?
  /// Such as `c5.large`.
  var instanceType: String?
  /// Such as `us-east-1`.
  var region: String?
  /// Such as `us-east-1a`.
  var availabilityZone: String?
  /// The image it was started from.
  var imageID: String?
  /// Its private IPv4 address.
  var privateAddress: String?
  /// Its public IPv4 address.
  var publicAddress: String?
  /// How it is paid for.
  var mode = InstanceMode.unknown

  /// The mode that the service's `instance-life-cycle` means: `on-demand`, `spot`, `scheduled` or `capacity-block`.
  static func mode(lifeCycle: String?) -> InstanceMode {
    switch lifeCycle {
    case "spot": .spot
    case .some: .ondemand
    case nil: .unknown
    }
  }

  /// Whether a text may stand for an id, type or address: short, visible ASCII. Whatever else answers at the service's address (a captive
  /// portal, an error page) is not taken for metadata.
  static func isWord(_ text: String) -> Bool {
    !text.isEmpty && text.utf8.count <= MessageLimits.wordBytes && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && $0 != 0x3c }
  }
}
