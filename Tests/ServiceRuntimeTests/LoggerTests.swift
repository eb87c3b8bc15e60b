import ServiceRuntime
import Testing

@Suite struct LoggerTests {
  private func lines(_ level: LogLevel, _ body: (Logger) -> Void) -> [String] {
    let lines = Lock<[String]>([])
    body(Logger(level: level) { line in lines.withLock { $0.append(line) } })
    return lines.withLock { $0 }
  }

  @Test func lineHasTheGuidesForm() throws {
    let line = try #require(lines(.info) { $0.error("Connection refused") }.first)
    #expect(line.wholeMatch(of: /\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2} ERROR - Connection refused\n/) != nil)
  }

  @Test func levelsBelowTheLoggersAreNotWritten() {
    #expect(
      lines(.warning) { logger in
        logger.debug("a")
        logger.info("b")
        logger.warning("c")
        logger.error("d")
      }.count == 2)
  }

  @Test func messageCannotForgeALine() throws {
    let line = try #require(lines(.info) { $0.info("first\n2025-01-01 00:00:00 ERROR - forged\r\u{1b}[2J\u{2028}") }.first)
    #expect(line.filter { $0 == "\n" }.count == 1)
    #expect(line.contains("first\\n2025") && line.contains("\\u{1b}") && line.contains("\\u{2028}"))
  }

  @Test func tokenPreviewShowsEightAndFourCharactersOfALongTokenOnly() {
    #expect(tokenPreview("abc12345-aaaa-bbbb-cccc-ddddddddxyz9") == "abc12345...xyz9")
    #expect(tokenPreview("abc12345wxyz9") == "(13 characters, too short to show)")
    #expect(tokenPreview("") == "(empty)")
  }
}
