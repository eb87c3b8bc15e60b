import FleetProtocol
import Foundation
import Testing

/// Runs a program of the PATH and returns what it printed; fails with its error output when it does not exit with 0.
func run(_ program: String, _ arguments: [String]) throws -> String {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
  process.arguments = [program] + arguments
  let output = Pipe()
  process.standardOutput = output
  process.standardError = output
  try process.run()
  let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
  process.waitUntilExit()
  guard process.terminationStatus == 0 else { throw ProgramFailure(output: text) }
  return text
}

struct ProgramFailure: Error { let output: String }

/// A folder of a test's own, removed with it.
final class TemporaryFolder {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.appendingPathComponent("fleet-protocol-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
  }

  deinit {
    // A folder that cannot be removed is the temporary folder's problem, not the test's.
    try? FileManager.default.removeItem(atPath: path)
  }

  /// The mode bits of a file in it.
  func mode(_ name: String) throws -> Int {
    try #require(FileManager.default.attributesOfItem(atPath: "\(path)/\(name)")[.posixPermissions] as? Int)
  }
}

func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }
