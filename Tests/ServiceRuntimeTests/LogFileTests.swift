import Foundation
import ServiceRuntime
import Testing

@Suite struct LogFileTests {
  private struct Line: Decodable {
    let time: String
    let level: String
    let program: String
    let message: String
  }

  private func inFolder(_ body: (String) throws -> Void) throws {
    let folder = NSTemporaryDirectory() + "spot-optimizer-log-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }  // What is left is in the tests' own folder.
    try body(folder)
  }

  @Test func aMovedFileKeepsItsLinesAndTheNewOneGetsThoseAfterTheReopening() throws {
    try inFolder { folder in
      let path = "\(folder)/a.log"
      let file = try LogFile(path)
      let logger = Logger(level: .info, file: file)
      logger.info("before")
      try FileManager.default.moveItem(atPath: path, toPath: "\(path).1")
      logger.info("between")
      file.reopen()
      logger.info("after")
      let old = try String(contentsOfFile: "\(path).1", encoding: .utf8)
      let new = try String(contentsOfFile: path, encoding: .utf8)
      #expect(old.contains(" INFO - before\n") && old.contains(" INFO - between\n") && old.split(separator: "\n").count == 2)
      #expect(new.hasSuffix(" INFO - after\n") && new.split(separator: "\n").count == 1)
    }
  }

  @Test func aFileThatCannotBeOpenedAnewLeavesTheFormerOneInUse() throws {
    try inFolder { folder in
      let inner = "\(folder)/inner"
      try FileManager.default.createDirectory(atPath: inner, withIntermediateDirectories: false)
      let file = try LogFile("\(inner)/a.log")
      try FileManager.default.moveItem(atPath: inner, toPath: "\(folder)/moved")
      file.reopen()
      Logger(level: .info, file: file).info("still here")
      #expect(try String(contentsOfFile: "\(folder)/moved/a.log", encoding: .utf8).hasSuffix(" INFO - still here\n"))
    }
  }

  @Test func aLineInJSONIsOneObjectWhateverTheMessageHolds() throws {
    let lines = Lock<[String]>([])
    let logger = Logger(level: .info, format: .json, program: "p") { line in lines.withLock { $0.append(line) } }
    let message = "a \"b\" \\ c\n\u{1b}[2J\u{2028}é"
    logger.error(message)
    let line = try #require(lines.withLock { $0 }.first)
    #expect(line.hasSuffix("}\n") && line.filter(\.isNewline).count == 1)
    let read = try JSONDecoder().decode(Line.self, from: Data(line.utf8))
    #expect(read.level == "ERROR" && read.program == "p" && read.message == message && Timestamp(text: read.time) != nil)
  }

  @Test func theBannerInJSONIsLinesWithoutRules() throws {
    let lines = Lock<[String]>([])
    Logger(level: .info, format: .json) { line in lines.withLock { $0.append(line) } }.banner(["=====", "AGENT STARTUP", "====="])
    let written = lines.withLock { $0 }
    #expect(written.count == 1)
    #expect(try JSONDecoder().decode(Line.self, from: Data(written[0].utf8)).message == "AGENT STARTUP")
  }
}
