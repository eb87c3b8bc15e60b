import ServiceRuntime

/// The broker's memory, asked for with `rabbitmqctl`.
struct BrokerMemory: Sendable {
  /// How to call `rabbitmqctl`, as words of a shell.
  let command: String

  /// Bytes that Erlang's memory manager has given out.
  struct Sample: Sendable {
    /// As the broker stands.
    let total: Int
    /// After every process has collected its garbage: what is really held.
    let afterCollection: Int

    /// What an agent costs, as figures of the report.
    func perAgent(since before: Sample, agents: Int) -> [(name: String, value: String)] {
      func text(_ bytes: Int) -> String { "\(decimal(Double(bytes) / Double(agents) / 1024, 1)) KiB" }
      return [
        ("broker's memory an agent", text(total - before.total)),
        ("  after a garbage collection", text(afterCollection - before.afterCollection)),
      ]
    }
  }

  private static let question = """
    A = erlang:memory(total), [erlang:garbage_collect(P) || P <- erlang:processes()], B = erlang:memory(total), \
    io:format("memory ~b ~b~n", [A, B]).
    """

  func measure() async throws -> Sample {
    let child = try await ChildProcess.start(["/bin/sh", "-c", "\(command) \"$@\"", "rabbitmqctl", "eval", Self.question])
    var said: [String] = []
    var sample: Sample?
    for await line in child.lines {
      said.append(line.text)
      let words = line.text.split(separator: " ")
      if words.count == 3, words[0] == "memory", let total = Int(words[1]), let collected = Int(words[2]) {
        sample = Sample(total: total, afterCollection: collected)
      }
    }
    let ending = await child.waitForEnd()
    guard let sample, ending.code == 0 else {
      throw BenchError("rabbitmqctl (RABBITMQCTL) ended with exit code \(ending.code): \(said.suffix(3).joined(separator: " / "))")
    }
    return sample
  }
}
