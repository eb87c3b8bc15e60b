import Glibc
import ServiceRuntime
import TestSupport
import Testing

@testable import Server

/// What Linux tells of a process.
@Suite struct ProcessFiguresTests {
  @Test func aProgramsNameMayHoldAnything() {
    let fields = (4...52).map { "\($0)" }.joined(separator: " ")
    let stat = ProcessFigures.StatFields("17 (a) b) (c) S \(fields)\n")
    #expect(stat?.userTicks == 14 && stat?.systemTicks == 15 && stat?.startTicks == 22)
    #expect(stat?.virtualBytes == 23 && stat?.residentPages == 24)
    #expect(ProcessFigures.StatFields("") == nil && ProcessFigures.StatFields("17 (a) S 1 2") == nil)
  }

  @Test func theLimitOfFilesIsTheSoftOne() {
    let limits =
      "Limit                     Soft Limit           Hard Limit           Units\nMax open files            1024                 1048576              files\n"
    #expect(ProcessFigures.mostFiles(limits) == 1024)
    #expect(ProcessFigures.mostFiles("Max open files            unlimited            unlimited            files\n") == nil)
    #expect(ProcessFigures.bootTime("cpu  1 2\nbtime 1700000000\nprocesses 5\n") == 1_700_000_000)
  }

  @Test func thisProcessIsMeasured() throws {
    let page = try ParsedMetrics(MetricsText.page(ProcessFigures.readings()))
    let now = Double(Timestamp.now().seconds)
    let started = try #require(page.value("process_start_time_seconds"))
    #expect(started > now - 86_400 && started < now + 60, "\(started) \(now)")
    #expect(try #require(page.value("process_cpu_seconds_total")) >= 0)
    let resident = try #require(page.value("process_resident_memory_bytes"))
    let virtual = try #require(page.value("process_virtual_memory_bytes"))
    #expect(resident > 1_000_000 && resident < virtual)
    let open = try #require(page.value("process_open_fds"))
    #expect(open >= 3)
    // Without a limit there is no such line.
    if let most = page.value("process_max_fds") { #expect(most >= open) }
  }
}
