import Glibc
import ServiceRuntime

/// One of the bare C loops of `Benchmarks/`, which does what a part of ours does with nothing around it.
struct LimitProgram: Sendable {
  let path: String

  /// Runs it to its end, with the file `input` as its standard input, and returns the figures that it printed, by name.
  func run(_ arguments: [String], input: String = "/dev/null") async throws -> [String: Double] {
    let child = try await ChildProcess.start(["/bin/sh", "-c", #"input=$1; shift; exec "$0" "$@" <"$input""#, path, input] + arguments)
    return try await withTaskCancellationHandler {
      var figures: [String: Double] = [:]
      var said: [String] = []
      for await line in child.lines {
        let words = line.text.split(separator: " ")
        if words.count == 2, let value = Double(words[1]) { figures[String(words[0])] = value } else { said.append(line.text) }
      }
      let ending = await child.waitForEnd()
      guard ending.code == 0 else { throw BenchError("\(path) ended with exit code \(ending.code): \(said.joined(separator: " / "))") }
      return figures
    } onCancel: {
      child.signal(SIGKILL)
    }
  }
}
