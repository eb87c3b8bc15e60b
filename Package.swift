// swift-tools-version: 6.2
import PackageDescription

// The arrows between the rooms are drawn here and only here: executables → Agent, Server → FleetProtocol → ServiceRuntime;
// Agent and Server → AMQP, MySQL, HTTP; Server → HTTPServing. Agent never sees MySQL, HTTPServing or Server. `docs/architecture.md` gives the reasons.
let package = Package(
  name: "spot-optimizer",
  products: [
    .executable(name: "spot-optimizer-agent", targets: ["spot-optimizer-agent"]),
    .executable(name: "spot-optimizer-server", targets: ["spot-optimizer-server"]),
    .executable(name: "spotctl", targets: ["spotctl"]),
    .executable(name: "fleet-bench", targets: ["FleetBench"]),
  ],
  targets: [
    .systemLibrary(name: "CRabbitMQ", pkgConfig: "librabbitmq", providers: [.apt(["librabbitmq-dev"])]),
    .systemLibrary(name: "CMySQL", pkgConfig: "mysqlclient", providers: [.apt(["default-libmysqlclient-dev"])]),
    .systemLibrary(name: "CMicroHTTPD", pkgConfig: "libmicrohttpd", providers: [.apt(["libmicrohttpd-dev"])]),
    .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
    .systemLibrary(name: "CCrypto", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(name: "CLinux"),

    .target(name: "ServiceRuntime", dependencies: ["CLinux"]),
    .target(name: "AMQP", dependencies: ["CRabbitMQ", "CLinux", "ServiceRuntime"]),
    .target(name: "MySQL", dependencies: ["CMySQL", "ServiceRuntime"]),
    .target(name: "HTTP", dependencies: ["CCurl", "ServiceRuntime"]),
    .target(name: "HTTPServing", dependencies: ["CMicroHTTPD", "CLinux", "HTTP", "ServiceRuntime"]),
    .target(name: "FleetProtocol", dependencies: ["CCrypto", "ServiceRuntime"]),

    .target(name: "SignedMessages", dependencies: ["AMQP", "FleetProtocol"]),
    .target(name: "Diagnosis", dependencies: ["FleetProtocol", "ServiceRuntime"]),

    .target(name: "Agent", dependencies: ["AMQP", "HTTP", "Diagnosis", "FleetProtocol", "ServiceRuntime", "SignedMessages", "CLinux"]),
    .target(
      name: "Server",
      dependencies: ["AMQP", "MySQL", "HTTP", "HTTPServing", "Diagnosis", "FleetProtocol", "ServiceRuntime", "SignedMessages"]),

    .executableTarget(name: "spot-optimizer-agent", dependencies: ["Agent", "ServiceRuntime"]),
    .executableTarget(name: "spot-optimizer-server", dependencies: ["Server", "ServiceRuntime"]),
    .executableTarget(name: "spotctl", dependencies: ["Server", "AMQP", "MySQL", "Diagnosis", "FleetProtocol", "ServiceRuntime"]),
    .executableTarget(
      name: "FleetBench", dependencies: ["Agent", "Server", "AMQP", "HTTP", "MySQL", "FleetProtocol", "ServiceRuntime", "SignedMessages"]),

    // What the suites share: one private broker and database a suite (`broker/local`), programs started and read line by line.
    .target(name: "TestSupport", dependencies: ["ServiceRuntime"], path: "Tests/TestSupport"),
    // An agent that ends itself at a chosen moment of a command's life, for the test that nothing is lost or repeated by that.
    .executableTarget(
      name: "dying-agent", dependencies: ["Agent", "ServiceRuntime"], path: "Tests/DyingAgent"),
    .testTarget(name: "ServiceRuntimeTests", dependencies: ["ServiceRuntime", "TestSupport"]),
    .testTarget(name: "AMQPTests", dependencies: ["AMQP", "ServiceRuntime", "TestSupport"]),
    .testTarget(name: "MySQLTests", dependencies: ["MySQL", "ServiceRuntime", "TestSupport"]),
    .testTarget(name: "HTTPTests", dependencies: ["HTTP", "HTTPServing", "ServiceRuntime", "TestSupport"]),
    .testTarget(name: "FleetProtocolTests", dependencies: ["FleetProtocol", "ServiceRuntime", "TestSupport"]),
    .testTarget(name: "DiagnosisTests", dependencies: ["Diagnosis", "FleetProtocol", "ServiceRuntime"]),
    .testTarget(name: "FleetBenchTests", dependencies: ["FleetBench", "FleetProtocol", "MySQL", "ServiceRuntime"]),
    .testTarget(
      name: "AgentTests",
      dependencies: [
        "Agent", "AMQP", "Diagnosis", "FleetProtocol", "HTTP", "HTTPServing", "ServiceRuntime", "SignedMessages", "TestSupport",
      ]),
    .testTarget(
      name: "ServerTests",
      dependencies: ["Server", "AMQP", "MySQL", "HTTP", "HTTPServing", "FleetProtocol", "ServiceRuntime", "SignedMessages", "TestSupport"]),
    .testTarget(
      name: "FleetTests",
      dependencies: [
        "Server", "spotctl", "dying-agent", "AMQP", "MySQL", "HTTP", "FleetProtocol", "ServiceRuntime", "SignedMessages", "TestSupport",
      ]),
  ],
  swiftLanguageModes: [.v6]
)
