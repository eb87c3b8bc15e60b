import Glibc

/// The kernel's list of processes.
enum ProcessTable {
  /// Whether a process of this group still runs. One that is dead and waits for its parent to take notice does not: where the first process of a
  /// container takes no notice of orphans, such a group would never be empty. Looks at every process: for rare use.
  static func isRunning(group: pid_t) -> Bool {
    // Without /proc nobody can tell; then whatever is left counts.
    guard let directory = opendir("/proc") else { return true }
    defer { closedir(directory) }
    while let entry = readdir(directory) {
      let name = withUnsafeBytes(of: &entry.pointee.d_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
      guard let process = pid_t(name), let (state, itsGroup) = status(of: process) else { continue }
      if itsGroup == group && state != UInt8(ascii: "Z") && state != UInt8(ascii: "X") { return true }
    }
    return false
  }

  /// A process's state and group (proc(5), `/proc/[pid]/stat`: `1 (name) S parent group …`); `nil` when it is gone.
  private static func status(of process: pid_t) -> (state: UInt8, group: pid_t)? {
    let descriptor = open("/proc/\(process)/stat", O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var buffer = [UInt8](repeating: 0, count: 256)
    let count = read(descriptor, &buffer, buffer.count)
    // The name may hold brackets and spaces itself.
    guard count > 0, let bracket = buffer[..<count].lastIndex(of: UInt8(ascii: ")")) else { return nil }
    let fields = buffer[(bracket + 1)..<count].split(separator: UInt8(ascii: " "), maxSplits: 3)
    guard fields.count >= 3, let state = fields[0].first, let group = pid_t(String(decoding: fields[2], as: UTF8.self)) else { return nil }
    return (state, group)
  }
}
