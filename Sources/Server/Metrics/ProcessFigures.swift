import Glibc

/// What Linux knows of this process, as the client libraries of Prometheus name it. Source: proc(5).
enum ProcessFigures {
  /// What could be read; without /proc, nothing.
  static func readings() -> [MetricReading] {
    var readings: [MetricReading] = []
    if let stat = StatFields(text(of: "/proc/self/stat")) {
      let ticks = Double(sysconf(Int32(_SC_CLK_TCK)))
      readings += [
        MetricReading(.processCPU, (stat.userTicks + stat.systemTicks) / ticks),
        MetricReading(.processResidentMemory, stat.residentPages * Double(sysconf(Int32(_SC_PAGESIZE)))),
        MetricReading(.processVirtualMemory, stat.virtualBytes),
      ]
      if let boot = bootTime(text(of: "/proc/stat")) { readings.append(MetricReading(.processStart, boot + stat.startTicks / ticks)) }
    }
    if let count = openFiles() { readings.append(MetricReading(.processOpenFiles, Double(count))) }
    if let most = mostFiles(text(of: "/proc/self/limits")) { readings.append(MetricReading(.processMostFiles, most)) }
    return readings
  }

  /// The fields of `/proc/<pid>/stat` that are of interest.
  struct StatFields: Equatable {
    let userTicks: Double
    let systemTicks: Double
    let startTicks: Double
    let virtualBytes: Double
    let residentPages: Double

    init?(_ text: String) {
      // The second field, in brackets, is the program's name and may hold anything; the third is the first after the last bracket.
      guard let bracket = text.lastIndex(of: ")") else { return nil }
      let fields = text[text.index(after: bracket)...].split(separator: " ")
      func number(_ field: Int) -> Double? { fields.indices.contains(field - 3) ? Double(fields[field - 3]) : nil }
      guard let user = number(14), let system = number(15), let start = number(22), let virtual = number(23), let resident = number(24)
      else { return nil }
      (userTicks, systemTicks, startTicks, virtualBytes, residentPages) = (user, system, start, virtual, resident)
    }
  }

  /// `btime` of `/proc/stat`: seconds since 1970.
  static func bootTime(_ text: String) -> Double? {
    text.split(separator: "\n").first { $0.hasPrefix("btime ") }.flatMap { Double($0.dropFirst(6)) }
  }

  /// The soft limit of `Max open files` in `/proc/<pid>/limits`; `nil` when there is none.
  static func mostFiles(_ text: String) -> Double? {
    let name = "Max open files"
    guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix(name) }) else { return nil }
    return line.dropFirst(name.count).split(separator: " ").first.flatMap { Double($0) }
  }

  private static func openFiles() -> Int? {
    guard let folder = opendir("/proc/self/fd") else { return nil }
    defer { closedir(folder) }
    var count = 0
    while let entry = readdir(folder) {
      // The others are `.` and `..`.
      if entry.pointee.d_name.0 != CChar(UInt8(ascii: ".")) { count += 1 }
    }
    // Reading the folder opened one.
    return count - 1
  }

  /// A file of /proc, whose size is not known before it is read; empty when it cannot be.
  private static func text(of path: String) -> String {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return "" }
    defer { close(descriptor) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 16_384)
    while true {
      let count = read(descriptor, &buffer, buffer.count)
      guard count > 0 else { break }
      bytes += buffer[..<count]
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
