import ServiceRuntime
import TestSupport
import Testing

@testable import AMQP

/// librabbitmq before 0.14 decodes nested tables by recursion without a limit: a stranger's frame decides how deep.
@Suite struct DeepHeaderTests {
  /// A publisher of our own bytes: our encoder, and a release of the nested value, would themselves recurse.
  private static let publisher = """
    import struct, sys
    sys.path.insert(0, sys.argv[1])
    from localservices.amqp import Connection
    host, port, vhost, user, queue, depth = sys.argv[2], int(sys.argv[3]), sys.argv[4], sys.argv[5], sys.argv[6], int(sys.argv[7])
    connection = Connection(host, port, vhost, user, sys.stdin.read())
    table = b''
    for _ in range(depth):
        table = b'\\x01k' + b'F' + struct.pack('>I', len(table)) + table
    header = struct.pack('>HHQH', 60, 0, 1, 1 << 13) + struct.pack('>I', len(table)) + table
    name = queue.encode()
    connection._send(1, 60, 40, b'\\0\\0' + b'\\0' + bytes([len(name)]) + name + b'\\0')
    connection._socket.sendall(struct.pack('>BHI', 2, 1, len(header)) + header + b'\\xce')
    connection._socket.sendall(struct.pack('>BHI', 3, 1, 1) + b'x' + b'\\xce')
    connection.close()
    """

  @Test(arguments: [300, 18_000])
  func messageWithHeadersNestedAsDeepAsAFrameAllowsEndsNobody(depth: Int) async throws {
    try await BrokerFixture.run { fixture in
      try await fixture.withConnection { connection in
        let channel = try await connection.openChannel()
        let queue = try await channel.declareQueue("deep-headers-\(depth)", durable: false).name
        let services = fixture.services
        let program = try await Program.tool(
          "/bin/sh",
          [
            "-c", "printf %s \"$AMQP_PASSWORD\" | python3 -c \"$0\" \"$@\"", Self.publisher, LocalServices.repository + "/broker",
            services.host,
            "\(services.port)", services.virtualHost, services.user, queue, "\(depth)",
          ], environment: ["AMQP_PASSWORD": services.password])
        #expect(try await program.waitForExit() == .exited(0), "\(program.output)")
        let consumer = try await channel.consume(queue)
        let delivery = try await read(1, from: consumer)[0]
        #expect(delivery.message.body == [0x78])
        try await channel.acknowledge(delivery.deliveryTag)
        try await channel.deleteQueue(queue)
      }
    }
  }
}
