import CMySQL
import Glibc

/// The client library's own start, once a process and before any thread uses it.
enum Library {
  /// 0 when the library can be used. `mysql_server_init` is what the macro `mysql_library_init` stands for in both libraries.
  ///
  /// It sets SIGPIPE to be ignored, which programs started by this one would inherit: what was there before is put back. Writes to
  /// a closed connection cannot kill the process all the same, for connections live on threads that block every signal.
  private static let startCode: Int32 = {
    var before = sigaction()
    sigaction(SIGPIPE, nil, &before)
    let code = mysql_server_init(0, nil, nil)
    sigaction(SIGPIPE, &before, nil)
    return code
  }()

  /// Starts the library unless that has been done; from any thread.
  static func start() throws(MySQLError) {
    guard startCode == 0 else { throw MySQLError(kind: .connect, message: "the client library could not be initialized (\(startCode))") }
  }
}
