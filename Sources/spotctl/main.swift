import Glibc
import ServiceRuntime

// Before anything else: every thread that is started later inherits the mask.
Signals.block()

exit(runProgram { await Tool(environment: .process).run(Array(CommandLine.arguments.dropFirst())) })
