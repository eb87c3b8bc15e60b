import ServiceRuntime
import Testing

@testable import AMQP

@Suite struct BrokerURLTests {
  @Test func partsAreReadAndDecoded() throws {
    let url = try BrokerURL("amqp://user%40x:p%3Aw%2F@broker.example:5673/a%2Fb", name: "AMQP_URL")
    #expect(
      url.host == "broker.example" && url.port == 5673 && url.username == "user@x" && url.password == "p:w/" && url.virtualHost == "a/b")
    #expect(!url.usesTLS)
  }

  @Test func missingPartsHaveTheirDefaults() throws {
    let url = try BrokerURL("amqps://broker", name: "AMQP_URL")
    #expect(url.port == 5671 && url.usesTLS && url.virtualHost == nil && url.username.isEmpty)
    #expect(try BrokerURL("amqp://[::1]:7/", name: "AMQP_URL").host == "::1")
  }

  @Test func descriptionNeverShowsThePassword() throws {
    let url = try BrokerURL("amqp://user:secret@broker:5672/spot-optimizer", name: "AMQP_URL")
    #expect("\(url)" == "amqp://broker:5672/spot-optimizer")
  }

  @Test(arguments: [
    "broker:5672", "http://broker", "amqp://", "amqp://host:0", "amqp://host:99999", "amqp://host:x", "amqp://a@", "amqp://host/%zz",
    "amqp://host/%00",
    "amqp://[::1", "amqp://[::1]x", "amqp://host/a/b", "amqp://ho st", "amqp://u:%4@host",
  ])
  func unusableURLIsRefusedWithTheVariableAndARemedy(text: String) {
    let error = #expect(throws: ConfigurationError.self) { try BrokerURL(text, name: "AMQP_URL") }
    #expect(error?.name == "AMQP_URL")
    #expect(error?.remedy.contains("amqp://user:password@host:5672/vhost") == true)
  }

  @Test func errorDoesNotShowThePassword() {
    let error = #expect(throws: ConfigurationError.self) { try BrokerURL("amqp://user:topsecret@host:bad", name: "AMQP_URL") }
    #expect(error.map { "\($0)".contains("topsecret") } == false)
  }
}
