import ServiceRuntime
import Testing

@Suite struct EnvironmentTests {
  @Test func emptyAndBlankValuesCountAsAbsent() throws {
    let environment = Environment(["A": "", "B": "  \t", "C": " value \n"])
    #expect(environment["A"] == nil && environment["B"] == nil && environment["C"] == "value")
    #expect(try environment.integer("A", default: 7, in: 1...9) == 7)
  }

  @Test func aNumberThatIsNotSetMayMeanSomethingElseThanANumber() throws {
    let environment = Environment(["A": "5", "B": " ", "C": "x"])
    #expect(try environment.integer("A", in: 1...9) == 5 && environment.integer("B", in: 1...9) == nil)
    let error = #expect(throws: ConfigurationError.self) { try environment.integer("C", in: 1...9) }
    #expect(error?.description == "C is 'x', which is not a whole number; set it to a whole number from 1 to 9 or unset it")
  }

  @Test func missingRequiredVariableIsNamedWithItsRemedy() {
    let error = #expect(throws: ConfigurationError.self) {
      try Environment([:]).required("SPOT_OPTIMIZER_SERVER_URL", remedy: "set it to http://your-server:5000")
    }
    #expect(error?.description == "SPOT_OPTIMIZER_SERVER_URL is not set; set it to http://your-server:5000")
  }

  @Test(arguments: ["abc", "1.5", "99999999999999999999", "0x10", "1 2"])
  func valueThatIsNoWholeNumberIsShownWithTheRange(value: String) {
    let error = #expect(throws: ConfigurationError.self) {
      try Environment(["DB_PORT": value]).integer("DB_PORT", default: 3306, in: 1...65_535)
    }
    #expect(error?.description.contains(value) == true)
    #expect(error?.description.contains("from 1 to 65535") == true)
  }

  @Test(arguments: ["0", "65536", "-1"])
  func valueOutOfRangeIsRefused(value: String) {
    #expect(throws: ConfigurationError.self) { try Environment(["DB_PORT": value]).integer("DB_PORT", default: 3306, in: 1...65_535) }
  }

  @Test func choiceIgnoresCaseAndListsItsWords() throws {
    #expect(try Environment(["LOG_LEVEL": "debug"]).choice("LOG_LEVEL", default: LogLevel.info) == .debug)
    let error = #expect(throws: ConfigurationError.self) {
      try Environment(["LOG_LEVEL": "loud"]).choice("LOG_LEVEL", default: LogLevel.info)
    }
    #expect(error?.description.contains("DEBUG, INFO, WARNING, ERROR") == true)
  }

  @Test func controlCharactersOfAValueDoNotReachTheError() {
    let error = #expect(throws: ConfigurationError.self) { try Environment(["N": "1\u{1b}[31m"]).integer("N", default: 1, in: 1...2) }
    #expect(error?.description.contains("\u{1b}") == false)
  }

  @Test func fileThatCannotBeReadIsNamedWithTheReason() throws {
    #expect(try Environment(["DB_SSL_CA": "/dev/null"]).readableFile("DB_SSL_CA", content: "a PEM file") == "/dev/null")
    #expect(try Environment([:]).readableFile("DB_SSL_CA", content: "a PEM file") == nil)
    let error = #expect(throws: ConfigurationError.self) {
      try Environment(["DB_SSL_CA": "/no/such/file"]).readableFile("DB_SSL_CA", content: "a PEM file")
    }
    #expect(error?.description.contains("'/no/such/file', which cannot be read ([Errno 2] No such file or directory)") == true)
  }
}
