import MySQL
import ServiceRuntime

/// The database as the `DB_…` variables say: for the server and for `spotctl` alike.
public struct DatabaseSettings: Sendable {
  /// How to connect.
  public let configuration: DatabaseConfiguration
  /// `DB_POOL_SIZE`: connections of one process.
  public let poolSize: Int
  /// What is allowed and yet probably not meant; for the log at start.
  public let warnings: [String]

  /// Reads `DB_HOST`, `DB_PORT`, `DB_USER`, `DB_PASSWORD`, `DB_NAME`, `DB_POOL_SIZE` and `DB_SSL_CA`.
  public init(_ environment: Environment) throws(ConfigurationError) {
    let port = try environment.integer("DB_PORT", default: 3306, in: 1...65_535)
    var tls = TLSMode.disabled
    if let authority = try environment.readableFile(
      "DB_SSL_CA", content: "the PEM file of the authority that signed the database's certificate")
    {
      tls = .required(caFile: authority)
    }
    let password = environment["DB_PASSWORD"]
    configuration = DatabaseConfiguration(
      host: environment.string("DB_HOST", default: "localhost"), port: UInt16(port),
      user: environment.string("DB_USER", default: "spotuser"), password: password ?? "",
      database: environment.string("DB_NAME", default: "spot_optimizer"), tls: tls)
    poolSize = try environment.integer("DB_POOL_SIZE", default: 10, in: 2...200, unit: "connections")
    warnings = password == nil ? ["DB_PASSWORD is not set; logging in to \(configuration) without a password"] : []
  }

  /// The pool of these settings.
  public func pool() -> Pool { Pool(configuration: configuration, size: poolSize) }
}
