import Glibc

/// What a process uses at one moment, by the kernel's account.
struct ProcessUsage: Sendable {
  /// Processor time of all its threads, user and system, since its start.
  let processorTime: Duration
  /// Bytes in memory, and those of them that are no file's (`Rss` and `Anonymous` of `/proc/<pid>/smaps_rollup`).
  let resident: Int
  let anonymous: Int
  /// The most bytes it ever had in memory (`VmHWM` of `/proc/<pid>/status`).
  let peak: Int
  let threads: Int

  /// `nil` when there is no such process, or it may not be looked at.
  init?(of pid: pid_t) {
    var clock = clockid_t()
    var time = timespec()
    guard clock_getcpuclockid(pid, &clock) == 0, clock_gettime(clock, &time) == 0 else { return nil }
    guard let memory = ProcFile("/proc/\(pid)/smaps_rollup"), let status = ProcFile("/proc/\(pid)/status"), let resident = memory["Rss"],
      let anonymous = memory["Anonymous"], let peak = status["VmHWM"], let threads = status["Threads"]
    else { return nil }
    processorTime = .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
    (self.resident, self.anonymous, self.peak, self.threads) = (resident * 1024, anonymous * 1024, peak * 1024, threads)
  }
}

/// A file of /proc with a line `Name:   number …` for each thing.
struct ProcFile: Sendable {
  private let lines: [Substring]

  /// `nil` when it cannot be read.
  init?(_ path: String) {
    guard let file = fopen(path, "re") else { return nil }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 16_384)
    while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { bytes += buffer[..<count] }
    lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
  }

  subscript(name: String) -> Int? {
    guard let line = lines.first(where: { $0.hasPrefix("\(name):") }) else { return nil }
    return line.dropFirst(name.count + 1).split(whereSeparator: \.isWhitespace).first.flatMap { Int($0) }
  }
}
