/// A page in the Prometheus text exposition format 0.0.4, read as strictly as Prometheus and its linter do together.
///
/// Source of the grammar: prometheus.io/docs/instrumenting/exposition_formats, "Text-based format".
public struct ParsedMetrics: Sendable {
  /// One line with a value.
  public struct Sample: Sendable {
    /// `spot_optimizer_messages_total`; of a histogram with `_bucket`, `_sum` or `_count`.
    public let name: String
    /// By label name.
    public let labels: [String: String]
    /// The number.
    public let value: Double
  }

  /// A metric's name, type and samples.
  public struct Family: Sendable {
    /// `counter`, `gauge` or `histogram`.
    public var type = ""
    /// Its meaning.
    public var help = ""
    /// In the order of the page.
    public var samples: [Sample] = []
  }

  /// A line that breaks the rules.
  public struct SyntaxError: Error, CustomStringConvertible {
    /// The line and the rule.
    public let description: String
  }

  /// The page as it came.
  public let text: String
  /// By name.
  public private(set) var families: [String: Family] = [:]

  /// Reads a whole page. Throws `SyntaxError` for the first thing that is wrong.
  public init(_ text: String) throws {
    self.text = text
    guard text.isEmpty || text.hasSuffix("\n") else { throw SyntaxError(description: "the last line has no end") }
    var current: String?
    for line in text.split(separator: "\n", omittingEmptySubsequences: false).dropLast() {
      do {
        if line.hasPrefix("#") {
          try readComment(line, &current)
        } else if !line.isEmpty {
          try readSample(line, current)
        }
      } catch let error as SyntaxError {
        throw SyntaxError(description: "\(error.description): \(line)")
      }
    }
    for (name, family) in families { try Self.check(name, family) }
  }

  /// The number of a sample with exactly these labels; `nil` when there is none.
  public func value(_ name: String, _ labels: [String: String] = [:]) -> Double? {
    families.values.lazy.flatMap(\.samples).first { $0.name == name && $0.labels == labels }?.value
  }

  /// The values that a label has in a family.
  public func labelValues(_ family: String, _ label: String) -> Set<String> {
    Set(families[family]?.samples.compactMap { $0.labels[label] } ?? [])
  }

  private mutating func readComment(_ line: Substring, _ current: inout String?) throws {
    let words = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: false).map(String.init)
    guard words.count >= 3, words[0] == "#", words[1] == "HELP" || words[1] == "TYPE" else { return }
    let name = words[2]
    guard Self.isName(name, colons: true) else { throw SyntaxError(description: "'\(name)' is no name") }
    if name != current, families[name] != nil { throw SyntaxError(description: "the lines of '\(name)' are not together") }
    current = name
    guard words.count == 4, !words[3].isEmpty else { throw SyntaxError(description: "there is nothing behind the name") }
    var family = families[name] ?? Family()
    if words[1] == "HELP" {
      guard family.help.isEmpty else { throw SyntaxError(description: "a second HELP") }
      family.help = words[3]
    } else {
      guard family.type.isEmpty, family.samples.isEmpty else { throw SyntaxError(description: "TYPE twice, or behind a sample") }
      guard ["counter", "gauge", "histogram", "summary", "untyped"].contains(words[3]) else { throw SyntaxError(description: "no type") }
      family.type = words[3]
    }
    families[name] = family
  }

  private mutating func readSample(_ line: Substring, _ current: String?) throws {
    var rest = line
    let name = String(rest.prefix { $0 != "{" && $0 != " " })
    rest = rest.dropFirst(name.count)
    guard Self.isName(name, colons: true) else { throw SyntaxError(description: "'\(name)' is no name") }
    var labels: [String: String] = [:]
    if rest.first == "{" {
      rest = rest.dropFirst()
      while rest.first != "}" {
        let label = String(rest.prefix { $0 != "=" })
        rest = rest.dropFirst(label.count + 1)
        guard Self.isName(label, colons: false), labels[label] == nil else { throw SyntaxError(description: "label '\(label)'") }
        labels[label] = try Self.quoted(&rest)
        if rest.first == "," {
          rest = rest.dropFirst()
        } else if rest.first != "}" {
          throw SyntaxError(description: "no end of the labels")
        }
      }
      rest = rest.dropFirst()
    }
    let words = rest.split(separator: " ")
    guard rest.first == " ", words.count == 1, let value = Self.number(words[0]) else { throw SyntaxError(description: "no value") }
    guard let family = current, [family, family + "_bucket", family + "_sum", family + "_count"].contains(name) else {
      throw SyntaxError(description: "the sample is not of the family above it")
    }
    guard families[family]?.samples.contains(where: { $0.name == name && $0.labels == labels }) == false else {
      throw SyntaxError(description: "the sample is there twice")
    }
    families[family]?.samples.append(Sample(name: name, labels: labels, value: value))
  }

  private static func quoted(_ rest: inout Substring) throws -> String {
    guard rest.popFirst() == "\"" else { throw SyntaxError(description: "a label value without quotes") }
    var value = ""
    while let character = rest.popFirst() {
      switch character {
      case "\"": return value
      case "\\":
        switch rest.popFirst() {
        case "n": value += "\n"
        case "\\": value += "\\"
        case "\"": value += "\""
        default: throw SyntaxError(description: "an unknown escape")
        }
      default: value.append(character)
      }
    }
    throw SyntaxError(description: "a label value without an end")
  }

  private static func number(_ word: Substring) -> Double? {
    switch word {
    case "+Inf": .infinity
    case "-Inf": -.infinity
    case "NaN": .nan
    default: word.allSatisfy { $0.isASCII && ($0.isNumber || "+-.e".contains($0)) } ? Double(word) : nil
    }
  }

  private static func isName(_ text: String, colons: Bool) -> Bool {
    guard let first = text.first, !first.isNumber else { return false }
    return text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_" || (colons && $0 == ":")) }
  }

  private static func check(_ name: String, _ family: Family) throws {
    func fail(_ text: String) -> SyntaxError { SyntaxError(description: "\(name): \(text)") }
    guard !family.type.isEmpty, !family.help.isEmpty else { throw fail("no TYPE or no HELP") }
    guard (family.type == "counter") == name.hasSuffix("_total") else { throw fail("_total is for counters, and all of them") }
    switch family.type {
    case "histogram": try checkHistogram(name, family)
    case "counter":
      guard family.samples.allSatisfy({ $0.name == name && $0.value >= 0 }) else { throw fail("not a counter's samples") }
    default:
      guard family.samples.allSatisfy({ $0.name == name }) else { throw fail("samples of another name") }
    }
  }

  private static func checkHistogram(_ name: String, _ family: Family) throws {
    func fail(_ text: String) -> SyntaxError { SyntaxError(description: "\(name): \(text)") }
    guard family.samples.allSatisfy({ $0.name != name }) else { throw fail("a histogram has no sample of its own name") }
    let sets = Set(family.samples.map { $0.labels.filter { $0.key != "le" } })
    for labels in sets {
      let buckets = family.samples.filter { $0.name == name + "_bucket" && $0.labels.filter { $0.key != "le" } == labels }
      let bounds = try buckets.map { bucket in
        guard let bound = bucket.labels["le"].flatMap({ number(Substring($0)) }) else { throw fail("a bucket without le") }
        return bound
      }
      guard zip(bounds, bounds.dropFirst()).allSatisfy({ $0 < $1 }), bounds.last == .infinity else { throw fail("bounds \(bounds)") }
      let counts = buckets.map(\.value)
      guard zip(counts, counts.dropFirst()).allSatisfy({ $0 <= $1 }) else { throw fail("buckets are not cumulative: \(counts)") }
      let count = family.samples.first { $0.name == name + "_count" && $0.labels == labels }
      let sum = family.samples.first { $0.name == name + "_sum" && $0.labels == labels }
      guard let count, let sum, count.value == counts.last, sum.value >= 0 else { throw fail("sum and count do not fit the buckets") }
    }
  }
}
