import Glibc
import MySQL
import ServiceRuntime
import TestSupport
import Testing

@Suite struct ConnectionTests {
  private func refusal(_ change: (inout DatabaseConfiguration) -> Void) async throws -> MySQLError {
    var configuration = try await freshDatabase()
    change(&configuration)
    let error = try await mysqlError { _ = try await Connection.open(configuration) }
    #expect(error.kind == .connect)
    #expect(!error.description.contains(configuration.password))
    #expect(!"\(configuration)".contains(configuration.password))
    #expect(!String(reflecting: error).contains(configuration.password))
    #expect(error.description.contains("\(configuration.user)@\(configuration.host):\(configuration.port)/\(configuration.database)"))
    return error
  }

  @Test func aWrongPasswordIsAClearErrorThatDoesNotShowIt() async throws {
    let error = try await refusal { $0.password = "wrong-but-secret" }
    #expect(error.code == 1045)
    #expect(error.message.contains("Access denied"))
  }

  @Test func anUnknownDatabaseIsAClearError() async throws {
    // The user may see databases of this form only; of others the server says "Access denied".
    let error = try await refusal { $0.database = "spot_optimizer_test_missing" }
    #expect(error.code == 1049)
    #expect(error.message.contains("spot_optimizer_test_missing"))
  }

  @Test func aClosedPortIsAClearError() async throws {
    let error = try await refusal { $0.port = 1 }
    #expect(error.code == 2002 || error.code == 2003)
    #expect(error.message.contains("refused"))
  }

  @Test func anUnknownHostIsAClearError() async throws {
    let error = try await refusal { $0.host = "host.invalid" }
    #expect(error.message.contains("host.invalid"))
  }

  @Test func tlsThatIsRequiredIsNotDoneWithoutWhenTheServerHasNone() async throws {
    let error = try await refusal { $0.tls = .required(caFile: "/etc/ssl/certs/ca-certificates.crt") }
    #expect(error.message.contains("TLS") || error.message.contains("SSL"))
  }

  @Test func aServerThatDoesNotAnswerEndsTheStatementAtTheReadTimeout() async throws {
    var configuration = try await freshDatabase()
    configuration.readTimeout = .seconds(1)
    let connection = try await Connection.open(configuration)
    let started = ContinuousClock.now
    let error = try await mysqlError { _ = try await connection.query("SELECT SLEEP(20) AS slept") }
    #expect(error.isConnectionLost)
    #expect(error.message.contains("no answer within the read time-out of 1s"))
    #expect(ContinuousClock.now - started < .seconds(10))
    #expect(await connection.isUsable == false)
    await connection.close()
  }

  @Test func aClosedConnectionSaysSo() async throws {
    let connection = try await Connection.open(freshDatabase())
    #expect(await connection.isUsable)
    await connection.close()
    await connection.close()
    #expect(try await mysqlError { _ = try await connection.query("SELECT 1 AS one") }.kind == .closed)
    #expect(try await mysqlError { try await connection.executeText("SELECT 1") }.kind == .closed)
    #expect(await connection.serverID == 0)
  }

  @Test(arguments: [true, false]) func theThreadOfAConnectionEndsWithItEvenIfNobodyClosesIt(closes: Bool) async throws {
    func folder(of connection: isolated Connection) throws -> String {
      let path = try #require(realpath("/proc/thread-self", nil))
      defer { free(path) }
      return String(cString: path)
    }
    func folderOfAConnectionsThread() async throws -> String {
      let connection = try await Connection.open(freshDatabase())
      let folder = try await folder(of: connection)
      #expect(access(folder, F_OK) == 0)
      if closes { await connection.close() }
      return folder
    }
    let folder = try await folderOfAConnectionsThread()
    try await eventually("the thread has ended") { access(folder, F_OK) != 0 }
  }

  @Test func theLibraryLeavesSIGPIPEAsItWas() async throws {
    try await withFreshConnection { connection in
      _ = try await connection.query("SELECT 1 AS one")
      var action = sigaction()
      sigaction(SIGPIPE, nil, &action)
      #expect(unsafeBitCast(action.__sigaction_handler.sa_handler, to: Int.self) == unsafeBitCast(SIG_DFL, to: Int.self))
    }
  }
}
