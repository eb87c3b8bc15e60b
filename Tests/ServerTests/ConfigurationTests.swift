import ServiceRuntime
import Testing

@testable import Server

@Suite struct ConfigurationTests {
  private func read(_ changes: [String: String], role: String? = nil) throws -> ServerConfiguration {
    let variables = ["AMQP_URL": "amqp://u:p@broker/spot-optimizer", "DB_PASSWORD": "x"].merging(changes) { $1 }
    return try ServerConfiguration(Environment(variables), role: role)
  }

  @Test func theDefaultsAreThoseOfTheGuide() throws {
    let configuration = try read([:])
    #expect(configuration.database.configuration.description == "spotuser@localhost:3306/spot_optimizer")
    #expect(configuration.role == .all && configuration.httpHost == "0.0.0.0" && configuration.httpPort == 5000)
    #expect(configuration.heartbeatTimeout == .seconds(120) && configuration.heartbeatInterval == .seconds(30))
    #expect(configuration.credentialLifetime == .seconds(86_400) && configuration.keysDirectory == "/etc/spot-optimizer/keys")
    #expect(configuration.agentBrokers == ["amqp://broker:5672"] && configuration.database.poolSize == 10)
    #expect(configuration.warnings.isEmpty && configuration.logLevel == .info)
    #expect(configuration.metricsPort == nil && configuration.metricsHost == "0.0.0.0" && configuration.retentionDays == 30)
  }

  @Test func agentsAreToldTheBrokersOneByOne() throws {
    let configuration = try read(["AGENT_BROKER_URLS": " amqp://a , amqps://[::1]:5672,", "AMQP_URL": "amqps://u:p@broker"])
    #expect(configuration.agentBrokers == ["amqp://a:5672", "amqps://[::1]:5672"])
    #expect(configuration.broker.virtualHost == "spot-optimizer")
  }

  @Test func theArgumentGoesBeforeTheVariable() throws {
    #expect(try read(["SPOT_OPTIMIZER_SERVER_ROLE": "worker"]).role == .worker)
    #expect(try read(["SPOT_OPTIMIZER_SERVER_ROLE": "worker"], role: "http").role == .http)
  }

  @Test func theMetricsHaveAnAddressAndAPortOfTheirOwn() throws {
    let own = try read(["METRICS_PORT": "9464", "METRICS_HOST": "127.0.0.1"])
    #expect(own.metricsPort == 9464 && own.metricsHost == "127.0.0.1" && own.warnings.isEmpty)
    #expect(try read(["METRICS_PORT": "0", "HTTP_PORT": "0", "HTTP_HOST": "::1"]).metricsHost == "::1")
    // A worker has no front that could be in the way.
    #expect(try read(["METRICS_PORT": "5000"], role: "worker").metricsPort == 5000)
    #expect(try read(["METRICS_PORT": "5000", "METRICS_HOST": "127.0.0.1", "HTTP_HOST": "10.0.0.1"]).metricsPort == 5000)
    #expect(try read(["METRICS_HOST": "127.0.0.1"]).warnings.first?.contains("METRICS_PORT is not") == true)
  }

  @Test(arguments: [
    (["AMQP_URL": ""], "AMQP_URL", "is not set"), (["AMQP_URL": "http://u:p@b"], "AMQP_URL", "'http'"),
    (["AMQP_URL": "amqp://broker"], "AMQP_URL", "no user"), (["AMQP_URL": "amqp://u:SECRET@b:99999"], "AMQP_URL", "99999"),
    (["DB_PORT": "abc"], "DB_PORT", "'abc'"), (["DB_PORT": "0"], "DB_PORT", "out of range"), (["DB_POOL_SIZE": "1"], "DB_POOL_SIZE", "1"),
    (["DB_SSL_CA": "/nowhere/ca.pem"], "DB_SSL_CA", "/nowhere/ca.pem"), (["AMQP_CA_FILE": "/nowhere"], "AMQP_CA_FILE", "/nowhere"),
    (["BROKER_CREDENTIAL_TTL": "59"], "BROKER_CREDENTIAL_TTL", "59"), (["BROKER_CREDENTIAL_TTL": "1e9"], "BROKER_CREDENTIAL_TTL", "1e9"),
    (["HTTP_PORT": "65536"], "HTTP_PORT", "65536"), (["AGENT_HEARTBEAT_TIMEOUT": "-1"], "AGENT_HEARTBEAT_TIMEOUT", "-1"),
    (["METRICS_PORT": "65536"], "METRICS_PORT", "65536"), (["METRICS_PORT": "5000"], "METRICS_PORT", "where the HTTP front listens"),
    (["SPOT_OPTIMIZER_RETENTION_DAYS": "6"], "SPOT_OPTIMIZER_RETENTION_DAYS", "out of range"),
    (["SPOT_OPTIMIZER_RETENTION_DAYS": "0"], "SPOT_OPTIMIZER_RETENTION_DAYS", "out of range"),
    (["SPOT_OPTIMIZER_RETENTION_DAYS": "3651"], "SPOT_OPTIMIZER_RETENTION_DAYS", "3651"),
    (["LOG_LEVEL": "LOUD"], "LOG_LEVEL", "LOUD"), (["SPOT_OPTIMIZER_SERVER_ROLE": "queen"], "SPOT_OPTIMIZER_SERVER_ROLE", "queen"),
    (["AGENT_BROKER_URLS": "amqp://u:SECRET@a"], "AGENT_BROKER_URLS", "login"),
    (["AGENT_BROKER_URLS": "amqp://a/v"], "AGENT_BROKER_URLS", "vhost"),
    (["AGENT_BROKER_URLS": "a:5672"], "AGENT_BROKER_URLS", "scheme"), (["AGENT_BROKER_URLS": ","], "AGENT_BROKER_URLS", "0 addresses"),
  ])
  func aWrongValueIsNamedWithItsRemedy(variables: [String: String], name: String, text: String) throws {
    #expect {
      _ = try read(variables)
    } throws: { error in
      guard let error = error as? ConfigurationError else { return false }
      return error.name == name && error.problem.contains(text) && !error.remedy.isEmpty && !"\(error)".contains("SECRET")
    }
  }

  @Test func whatIsProbablyNotMeantIsToldAndAllowed() throws {
    let configuration = try read(["DB_PASSWORD": "", "AGENT_HEARTBEAT_TIMEOUT": "5"])
    #expect(configuration.warnings.count == 2)
    #expect(configuration.warnings[0].contains("DB_PASSWORD") && configuration.warnings[1].contains("AGENT_HEARTBEAT_TIMEOUT is 5 s"))
  }
}
