import Glibc
import ServiceRuntime

exit(await Tool(environment: .process).run(Array(CommandLine.arguments.dropFirst())).rawValue)
