import Glibc

/// What the program tells the service manager that started it: systemd, with `Type=notify` and `WatchdogSec=`.
///
/// The protocol of sd_notify(3) is one datagram of `NAME=value` lines to the socket that `NOTIFY_SOCKET` names. libsystemd would be one more library in
/// the memory of every agent for that. Nothing is sent when the variable is not set. Safe from any task.
public struct ServiceManager: Sendable {
  /// A service manager that wants to hear nothing.
  public static let none = ServiceManager(address: nil, watchdogInterval: nil, log: Logger(level: .error) { _ in })

  /// How often the program has to say that it lives: half of what the manager waits for. `nil` when it does not watch.
  public let watchdogInterval: Duration?
  /// Whether there is one.
  public var isThere: Bool { address != nil }
  private let address: NotifySocket?
  private let log: Logger

  private init(address: NotifySocket?, watchdogInterval: Duration?, log: Logger) {
    self.address = address
    self.watchdogInterval = watchdogInterval
    self.log = log
  }

  /// The one that `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID` tell of. What cannot be sent to it is a warning of `log`.
  public init(_ environment: Environment, log: Logger) throws(ConfigurationError) {
    guard let path = environment["NOTIFY_SOCKET"] else {
      self = .none
      return
    }
    guard let address = NotifySocket(path) else {
      throw ConfigurationError(
        name: "NOTIFY_SOCKET",
        problem: "is '\(printable(path))', which is neither an absolute path nor '@' and a name, of at most \(NotifySocket.longest) bytes",
        remedy: "systemd sets it; unset it when the program is started by hand")
    }
    self.init(address: address, watchdogInterval: try Self.watchdogInterval(environment), log: log)
  }

  private static func watchdogInterval(_ environment: Environment) throws(ConfigurationError) -> Duration? {
    guard let text = environment["WATCHDOG_USEC"] else { return nil }
    // Meant for another process: a child that inherited the variables must not answer for its parent.
    if let pid = environment["WATCHDOG_PID"], pid != "\(getpid())" { return nil }
    guard let microseconds = Int64(text), microseconds > 1 else {
      throw ConfigurationError(
        name: "WATCHDOG_USEC", problem: "is '\(printable(text))', which is no number of microseconds",
        remedy: "systemd sets it from WatchdogSec=; unset it when the program is started by hand")
    }
    return .microseconds(microseconds / 2)
  }

  /// The program does its work from now on. Further calls only change the status.
  public func ready(_ status: String) async { await send("READY=1\nSTATUS=\(printable(status))") }

  /// What `systemctl status` shows of it.
  public func status(_ status: String) async { await send("STATUS=\(printable(status))") }

  /// The program has been asked to end, and does.
  public func stopping() async { await send("STOPPING=1\nSTATUS=Stopping") }

  /// Says again and again that the program lives, each time after `proof` has returned; until the task is cancelled. To be called when there is a
  /// `watchdogInterval`.
  ///
  /// `proof` visits the executors that the work depends on. A program that is stuck on one of them goes silent, and the manager ends it; a thread that only
  /// sends would keep a dead program up.
  public func keepWatchdog(_ proof: @Sendable () async -> Void) async throws(CancellationError) {
    while let interval = watchdogInterval {
      await proof()
      await send("WATCHDOG=1")
      do {
        try await Task.sleep(for: interval)
      } catch {
        throw CancellationError()
      }
    }
  }

  /// A manager that is busy has a full socket for a moment; `READY=1` must not be lost by that.
  private func send(_ message: String) async {
    guard let address else { return }
    var code = address.send(message)
    for _ in 0..<20 where code == EAGAIN {
      // A cancelled task tries again without a pause.
      try? await Task.sleep(for: .milliseconds(50))
      code = address.send(message)
    }
    if code != 0 {
      log.warning("The service manager cannot be told: \(address) - [Errno \(code)] \(String(cString: strerror(code)))")
    }
  }
}

/// The service manager's socket: a path, or a name in Linux's abstract namespace.
struct NotifySocket: Sendable, CustomStringConvertible {
  /// What fits into `sun_path` with a zero at its end.
  static let longest = 107

  let description: String

  /// `nil` for what can be no such address: sd_notify(3) allows absolute paths and names that begin with '@'.
  init?(_ text: String) {
    guard text.hasPrefix("/") || text.hasPrefix("@"), text.utf8.count > 1, text.utf8.count <= Self.longest else { return nil }
    description = text
  }

  /// Sends one datagram without waiting; 0, or the error's number.
  func send(_ message: String) -> Int32 {
    let descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
    guard descriptor >= 0 else { return errno }
    defer { close(descriptor) }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    var name = Array(description.utf8)
    let isAbstract = name[0] == UInt8(ascii: "@")
    if isAbstract { name[0] = 0 }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name) }
    // The length is part of an abstract name.
    let length = MemoryLayout<sa_family_t>.size + name.count + (isAbstract ? 0 : 1)
    let bytes = Array(message.utf8)
    let sent = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        sendto(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL), address, socklen_t(length))
      }
    }
    return sent < 0 ? errno : 0
  }
}
