import Testing

/// `docs/AGENT_CONNECTION_TROUBLESHOOTING.md` and the page on tokens against the real programs: what they write, what an operator types, defaults and exit codes.
@Suite struct GuideTests {
  @Test func everyLineOfTheGuideHolds() async {
    let run = GuideRun()
    await run.play()
    print(run.record.summary)
    let failures = run.record.failures
    #expect(failures.isEmpty, "\(failures.joined(separator: "\n\n"))")
  }

  /// The pages must not show what nobody has tried, and the table nothing that they do not show.
  @Test func thePagesNameNothingWithoutACaseAndEveryCaseIsOnAPage() throws {
    let named = Set(try ["AGENT_CONNECTION", "TOKEN_AUTHENTICATION"].flatMap { try GuidePage($0).words })
    let tried = Set(GuideTable.cases.map(\.words))
    #expect(named.subtracting(tried).sorted() == [], "on a page and without a case")
    #expect(tried.subtracting(named).sorted() == [], "in the table and on no page")
  }

  @Test func aPageIsReadWithItsBlocksTablesAndIndents() {
    let page = GuidePage(
      text: """
        Prose with `code` is no case.
        ```bash
        # a comment
        curl -I http://your-server:5000/health

        ```
        1. A list:

           ```
             - indented
           ```

        ```sql
        SELECT 1
        FROM dual;
        ```

        | Variable | Default |
        |---|---|
        | `DB_PORT` | `3306` |

        | Exit code | When |
        |---|---|
        | 3 | refused |

        | Before | Type now |
        |---|---|
        | `netstat \\| grep 5000` | `ss \\| grep 5000` |

        | Port | Source |
        |---|---|
        | 5000 | anybody |
        """)
    #expect(
      page.words == [
        "curl -I http://your-server:5000/health", "  - indented", "SELECT 1\nFROM dual;", "DB_PORT = 3306", "exit code 3", "ss | grep 5000",
      ])
  }
}
