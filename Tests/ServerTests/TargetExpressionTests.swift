import FleetProtocol
import MySQL
import Testing

@testable import Server

/// A target's text, its value and its SQL, without a database.
@Suite struct TargetExpressionTests {
  private typealias Condition = TargetExpression.Condition
  private typealias Operand = TargetExpression.Operand

  private func parse(_ text: String) throws -> Condition { try TargetExpression(parsing: text).root }

  private func problem(_ text: String) -> String {
    do throws(TargetSyntaxError) {
      return "taken as \(try TargetExpression(parsing: text))"
    } catch {
      return "\(error)"
    }
  }

  @Test func whatTheGrammarSaysIsRead() throws {
    #expect(try parse("all") == .everyone)
    #expect(try parse("az=us-east-1a") == .equals(.property(.az), Operand("us-east-1a")))
    #expect(try parse(" status != offline ") == .differs(.property(.status), Operand("offline")))
    #expect(try parse("name=web-*") == .equals(.property(.name), Operand("web-", isPrefix: true)))
    #expect(try parse("tag:team") == .hasTag("team"))
    #expect(try parse("tag:a.b/c@d=x:1") == .equals(.tag("a.b/c@d"), Operand("x:1")))
    #expect(try parse("version=5.0.0") == .equals(.property(.version), Operand("5.0.0")))
    #expect(try parse("id in (a,b , \"c d\")") == .among(.property(.id), [Operand("a"), Operand("b"), Operand("c d")]))
    #expect(try parse("id not in (a)") == .not(.among(.property(.id), [Operand("a")])))
    #expect(try parse(#"client='Ac"me'"#) == .equals(.property(.client), Operand(#"Ac"me"#)))
    #expect(try parse(#"name="a\"b\\c\*""#) == .equals(.property(.name), Operand(#"a"b\c*"#)))
    #expect(try parse(#"name="web 1*""#) == .equals(.property(.name), Operand("web 1", isPrefix: true)))
    #expect(try parse("az=*") == .equals(.property(.az), Operand("", isPrefix: true)))
    #expect(try parse("az=''") == .equals(.property(.az), Operand("")))
    #expect(try parse("name=größe1") == .equals(.property(.name), Operand("größe1")))
  }

  @Test func notBindsBeforeAndBeforeOr() throws {
    let (a, b, c): (Condition, Condition, Condition) = (.hasTag("a"), .hasTag("b"), .hasTag("c"))
    #expect(try parse("tag:a or tag:b and not tag:c") == .any([a, .every([b, .not(c)])]))
    #expect(try parse("(tag:a or tag:b) AND NOT tag:c") == .every([.any([a, b]), .not(c)]))
    #expect(try parse("tag:a and tag:b and tag:c") == .every([a, b, c]))
    #expect(try parse("not not tag:a") == .not(.not(a)))
    #expect(try parse("((tag:a))") == a)
  }

  @Test func anErrorPointsAtTheCharacterAndSaysWhatBelongsThere() {
    #expect(
      problem("tag:role=worker & az=x") == """
        the target is wrong at character 17: '&' is written 'and'
          tag:role=worker & az=x
                          ^
        """)
    #expect(
      problem("az=x status=online").hasSuffix("expected 'and', 'or' or the end, found 'status'\n  az=x status=online\n       ^"))
    for (text, offset, part) in [
      (
        "", 1,
        "expected a condition (client, status, region, az, instance_type, mode, version, transport, id, name, tag:NAME, not, all or a bracket), found nothing"
      ),
      ("regoin=x", 1, "there is nothing called 'regoin'; did you mean 'region'?"),
      ("tags:role=x", 1, "did you mean 'tag:role'?"),
      ("Az=x", 1, "did you mean 'az'?"),
      ("web-1", 1, "did you mean name=web-1?"),
      ("web-*", 1, "did you mean name=web-*?"),
      ("tag:=x", 1, "expected a tag's name"),
      ("tag:rö=x", 1, "cannot be a tag"),
      ("tag:x*=1", 1, "only a value can"),
      ("az", 3, "expected =, != or in (…) behind 'az', found the end"),
      ("az=", 4, "expected a value for 'az', found the end"),
      ("az= and mode=spot", 5, "put 'and' in quotes"),
      ("az==x", 3, "'==' is written '='"),
      ("az=x || az=y", 6, "'|' is written 'or'"),
      ("!az=x", 1, "'!' is written 'not'"),
      ("az>x", 3, "compares nothing here"),
      ("az=a*b", 5, "a * stands at the end of a value only"),
      ("az=\"a*b\"", 6, "a * stands at the end of a value only"),
      ("az=\"ab", 4, "the quote is not closed"),
      ("az=\"ab*", 4, "the quote is not closed"),
      (#"az="a\b""#, 6, "a backslash in quotes"),
      ("az='a\u{1b}[2J'", 6, #"'\u{1b}' is a control character"#),
      ("az=a;b", 5, "';' cannot stand here"),
      ("az={x}", 4, "only --on-agents of a reaction and the texts of its JSON have"),
      ("(az=x", 6, "the ) of the ( at character 1, found the end"),
      ("az=x)", 5, "there is no ( that this ) closes"),
      ("id in a", 7, "expected ( and values behind 'in'"),
      ("id in ()", 8, "expected a value for 'id', found ')'"),
      ("id in (a b)", 10, "expected a comma or the ) of the ( at character 7, found 'b'"),
      ("status=onlin", 8, "'onlin' is no status; did you mean 'online'?"),
      ("mode in (spot, cheap)", 16, "'cheap' is no mode; there are: spot, ondemand, unknown"),
      ("status=x*", 8, "is no status"),
      ("az=\(String(repeating: "x", count: 256))", 4, "the value has 256 bytes; 255 are the most"),
    ] {
      let message = problem(text)
      #expect(message.contains("at character \(offset): ") && message.contains(part), "\(text): \(message)")
      #expect(!message.contains("\u{1b}"))
    }
  }

  @Test func theCaretStandsUnderThePlaceInALongTextToo() {
    let message = problem(String(repeating: "az=x or ", count: 20) + "nome=x or " + String(repeating: "az=x or ", count: 20) + "az=x")
    let lines = message.split(separator: "\n", omittingEmptySubsequences: false)
    #expect(lines.count == 3 && lines[1].count < 120 && lines[1].contains("…"))
    #expect(lines[1].dropFirst(lines[2].count - 1).hasPrefix("nome=x"))
  }

  @Test func noTextIsTooMuchForTheStackOrTheDatabase() throws {
    #expect(problem(String(repeating: "(", count: 60_000)).contains("nested too deeply"))
    #expect(problem(String(repeating: "not ", count: 15_000) + "all").contains("nested too deeply"))
    #expect(problem(String(repeating: "x", count: 200_000)).contains("65535 are the most"))
    #expect(problem(String(repeating: "tag:a or ", count: 5000) + "all").contains("one comparison too many"))
    #expect(problem("id in (" + String(repeating: "a,", count: 20_000) + "a)").contains("one value too many"))
    let ids = (0..<TargetExpression.mostValues).map { "00000000-0000-4000-8000-\(String($0 + 100_000_000_000))" }.joined(separator: ", ")
    #expect(try TargetExpression(parsing: "id in (\(ids))").condition.values.count == TargetExpression.mostValues)
    let deepest = String(repeating: "not (", count: 16) + "all" + String(repeating: ")", count: 16)
    #expect(try TargetExpression(parsing: deepest).description.contains("not not"))
    let largest = try TargetExpression(parsing: (0..<100).map { "client=c\($0)" }.joined(separator: " or "))
    #expect(largest.condition.text.utf8.count < 64 * 1024)
  }

  @Test func itsDescriptionIsReadAsTheSameValue() throws {
    var random = Seeded(state: 7)
    for _ in 0..<3000 {
      let expression = TargetExpression(Self.condition(depth: 4, &random))
      #expect(try TargetExpression(parsing: expression.description) == expression, "\(expression)")
    }
  }

  @Test func aValueIsAlwaysBoundAndNeverSQL() throws {
    let hostile = #"name="x' OR 1=1 -- " or tag:t="');DROP TABLE agents" or az="a%_!\*" or id in (a, b, "c*")"#
    let condition = try TargetExpression(parsing: hostile).condition
    #expect(!condition.text.contains("OR 1=1") && !condition.text.contains("DROP"))
    #expect(
      condition.values == [
        .text("x' OR 1=1 -- "), .text("t"), .text("');DROP TABLE agents"), .text("a%_!*"), .text("a"), .text("b"), .text("c%"),
      ])
    #expect(condition.text.count(where: { $0 == "?" }) == condition.values.count)
    #expect(try TargetExpression(parsing: "name=a_%*".replacing("%", with: "+")).condition.values == [.text("a!_+%")])
  }

  @Test func placeholdersAreFilledInTheTree() throws {
    let text = "tag:replica-of={agent.logical_agent_id} and status={x} and not name in ({a}, b*) or tag:z"
    let expression = try TargetExpression(parsing: text, allowingPlaceholders: true)
    let filled = expression.mapValues { $0.contains("{") ? "x\" or all or name=\"" : $0 }
    let hostile = Operand("x\" or all or name=\"")
    #expect(
      filled.root
        == .any([
          .every([
            .equals(.tag("replica-of"), hostile), .equals(.property(.status), hostile),
            .not(.among(.property(.name), [hostile, Operand("b", isPrefix: true)])),
          ]), .hasTag("z"),
        ]))
    #expect(try TargetExpression(parsing: expression.description, allowingPlaceholders: true) == expression)
  }

  @Test func severalMakeOne() throws {
    let web = try TargetExpression(parsing: "name=web")
    #expect(TargetExpression.every([]) == .everyone && TargetExpression.every([.everyone, web]) == web)
    #expect(TargetExpression.every([web, web]).description == "name=web and name=web")
  }

  // MARK: Generated expressions

  private struct Seeded: RandomNumberGenerator {
    var state: UInt64
    // SplitMix64.
    mutating func next() -> UInt64 {
      state &+= 0x9e37_79b9_7f4a_7c15
      var z = state
      z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
      z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
      return z ^ (z >> 31)
    }
  }

  private static func condition(depth: Int, _ random: inout Seeded) -> Condition {
    let isLeaf = depth == 0 || Int.random(in: 0..<3, using: &random) == 0
    if !isLeaf {
      switch Int.random(in: 0..<3, using: &random) {
      case 0: return .not(condition(depth: depth - 1, &random))
      case 1: return .every((0..<Int.random(in: 2...3, using: &random)).map { _ in condition(depth: depth - 1, &random) })
      default: return .any((0..<Int.random(in: 2...3, using: &random)).map { _ in condition(depth: depth - 1, &random) })
      }
    }
    let subject = subject(&random)
    switch Int.random(in: 0..<5, using: &random) {
    case 0: return .everyone
    case 1: return .hasTag("a-_./@9")
    case 2: return .equals(subject, operand(&random))
    case 3: return .differs(subject, operand(&random))
    default: return .among(subject, (0..<Int.random(in: 1...3, using: &random)).map { _ in operand(&random) })
    }
  }

  private static func subject(_ random: inout Seeded) -> TargetExpression.Subject {
    // Any text is a value of these; `status` and `mode` know their words only.
    let properties = TargetExpression.Property.allCases.filter { $0.words == nil }
    let index = Int.random(in: 0...properties.count, using: &random)
    return index == properties.count ? .tag("role") : .property(properties[index])
  }

  private static func operand(_ random: inout Seeded) -> Operand {
    let pieces = ["a", "Z9", "-", " ", "'", "\"", "\\", "*", "%", "{x}", "and", "ü", "\u{301}", "日本", "=", "(", ",", "\u{200d}", "🙂", "!"]
    let text = (0..<Int.random(in: 0...4, using: &random)).map { _ in pieces.randomElement(using: &random) ?? "" }.joined()
    return Operand(text, isPrefix: Bool.random(using: &random))
  }
}
