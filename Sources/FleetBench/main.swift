import Glibc
import ServiceRuntime

// Before anything else: every thread that is started later inherits the mask.
Signals.block()

func fail(_ message: String) -> Never {
  writeFully("fleet-bench: \(printable(message))\n", to: STDERR_FILENO)
  exit(ExitCode.usage)
}

let benchmark: any Benchmark
do {
  switch try Invocation(Array(CommandLine.arguments.dropFirst())) {
  case .print(let text):
    writeFully(text, to: STDOUT_FILENO)
    exit(ExitCode.done)
  case .ingest(let options): benchmark = IngestBenchmark(options, try BenchSettings(.process))
  case .dispatch(let options): benchmark = DispatchBenchmark(options, try BenchSettings(.process))
  case .agent(let options): benchmark = IdleAgentBenchmark(options, try BenchSettings(.process))
  case .storm(let options): benchmark = StormBenchmark(options, try BenchSettings(.process))
  case .steady(let options): benchmark = SteadyBenchmark(options, try BenchSettings(.process))
  case .grow(let options): benchmark = GrowBenchmark(options, try BenchSettings(.process))
  case .commands(let options): benchmark = CommandBenchmark(options, try BenchSettings(.process))
  case .notices(let options): benchmark = NoticeBenchmark(options, try BenchSettings(.process))
  case .agents(let options): benchmark = AgentBenchmark(options, try BenchSettings(.process))
  case .priorities(let options): benchmark = PriorityBenchmark(options, try BenchSettings(.process))
  }
} catch {
  fail("\(error)")
}
exit(runProgram { await runBenchmark(benchmark) })
