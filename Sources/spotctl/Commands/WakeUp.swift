import AMQP
import Server
import ServiceRuntime

/// Tells the dispatchers, over the broker, that a command was committed. Not needed for its delivery: without it their sweep finds the command.
struct WakeUp: Sendable {
  /// How long the broker may take, all in all.
  static let limit: Duration = .seconds(3)

  let environment: Environment

  /// Sends it. What hinders that is told and is no failure.
  func send(_ terminal: Terminal) async {
    do {
      var configuration = try BrokerSettings(environment).connection(named: "spotctl")
      configuration.connectTimeout = Self.limit
      configuration.replyTimeout = Self.limit
      try await publish(configuration)
    } catch {
      terminal.remark("the dispatchers were not woken and find the command within a second: \(error)")
    }
  }

  private func publish(_ configuration: ConnectionConfiguration) async throws(AMQPError) {
    let loop = EventLoop(name: "wake-up")
    defer { loop.stop() }
    let connection = try await Connection.open(configuration, on: loop)
    do throws(AMQPError) {
      let channel = try await connection.openChannel()
      try await channel.enableConfirms()
      try await channel.publish(DispatchWakeup.publication(), timeout: Self.limit)
    } catch {
      await connection.close()
      throw error
    }
    await connection.close()
  }
}
