import FleetProtocol
import Glibc
import ServiceRuntime

/// Where results and remarks go.
struct Terminal: Sendable {
  /// Whether results are JSON (`--json`).
  let isJSON: Bool

  /// Prints a list.
  func show(_ records: [Record], empty: String) throws {
    writeFully(isJSON ? try Rendering.json(records) : Rendering.table(records, empty: empty), to: STDOUT_FILENO)
  }

  /// Prints one row.
  func show(_ record: Record) throws {
    writeFully(isJSON ? try Rendering.json([record]) : Rendering.detail(record), to: STDOUT_FILENO)
  }

  /// Says something to the person that is no result, on standard error, where it disturbs no pipe.
  func remark(_ text: String) { writeFully("spotctl: \(text)\n", to: STDERR_FILENO) }
}
