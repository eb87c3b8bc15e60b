import Foundation

/// A line of the pages of trouble in `docs`, and what shows that it holds.
struct GuideCase: Sendable {
  /// The states that the pages speak of.
  enum Scenario: String, Sendable {
    // No server is needed for these.
    case serverDown, unresolvableName, droppedPackets, silentServer, untrustedHTTPS, missingVariable, defaults
    // Starts that fail, with a server.
    case wrongAddress, noDatabase, slowDatabase, closedBrokerPort, foreignKey, wrongPassword, plainHTTP, plainAMQP, untrustedAMQPS
    // An installation as the checklist has it.
    case checklist, start, shell, sameName
    // The life of an agent, step by step.
    case badToken, disabledClient, queueGone, verbose, atWork, deletingRow, deletedRow, disabledWhileRunning, enabling, changingToken,
      changedToken
    case stopping, serverLog
    // A broker of its own.
    case lowMemory, lowMemoryShell, lowDisk, alarmOnServer, backlog, brokerStopped, startWithoutBroker
  }

  /// A program of ours.
  enum Writer: String, Sendable { case agent, server }

  /// What shows that the line holds.
  enum Proof: Sendable {
    /// The program writes it. An agent's lines come in the order of the table.
    case written(by: Writer)
    /// Typed into a shell it ends with exit code 0, and its answer contains this.
    case typed(answer: String)
    /// Typed into a shell it goes on until it is stopped, and its answer contains this.
    case running(answer: String)
    /// A line of an env file, with which the program works.
    case given(to: Writer)
    /// Of a variable's default: a program that was not given the variable says this.
    case shown(String)
    /// The agent ends with this exit code.
    case exitCode(Int32)
  }

  /// As on its page; a variable's default as `NAME = default`, an exit code as `exit code 1`, an SQL block as a whole.
  let words: String
  let scenario: Scenario
  let proof: Proof

  /// A line of a page.
  init(_ words: String, _ scenario: Scenario, _ proof: Proof) {
    self.words = words
    self.scenario = scenario
    self.proof = proof
  }

  // MARK: - Comparing with what a program wrote

  /// What differs from one run to the next, as it stands on the page and as it may be.
  private static let standIns = [
    ("2026-11-29T05:26:47.000Z", "[0-9T:.-]+Z"), ("839ca70c-c872-45ab-9b5c-3267a9b2e753", "[0-9a-f-]{36}"),
    ("your-server:5000", #"127\.0\.0\.1:[0-9]+"#), ("your-server", #"127\.0\.0\.1:[0-9]+"#),
    ("your-broker:5672/spot-optimizer", #"127\.0\.0\.1:[0-9]+/[^/ :]+"#),
    ("your-broker:5671/spot-optimizer", #"127\.0\.0\.1:[0-9]+/[^/ :]+"#),
    ("your-broker:5672", #"127\.0\.0\.1:[0-9]+"#), ("your-broker:5671", #"127\.0\.0\.1:[0-9]+"#),
    ("abc12345...xyz9", #"[^ ]{8}\.\.\.[^ ]{4}"#), (" 4.2s", " [0-9.]+s"), (" 42.7s", " [0-9.]+s"),
    ("(attempt 4)", #"\(attempt [0-9]+\)"#), ("120s", "[0-9]+s"), ("every 30s", "every [0-9]+s"), ("…", ".*"),
  ]

  /// A whole line of a program that says these words, with date and time or without.
  func expression() throws -> NSRegularExpression {
    var pattern = "^(?:[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{8} )?"
    var rest = Substring(words)
    while let character = rest.first {
      if let (text, expression) = Self.standIns.first(where: { rest.hasPrefix($0.0) }) {
        pattern += expression
        rest = rest.dropFirst(text.count)
      } else {
        pattern += NSRegularExpression.escapedPattern(for: String(character))
        rest = rest.dropFirst()
      }
    }
    return try NSRegularExpression(pattern: pattern + "$")
  }
}
