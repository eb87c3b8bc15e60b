import MySQL
import ServiceRuntime

/// Where the former system's database is, for `spotctl migrate import`: on this server unless the `SPOT_OPTIMIZER_IMPORT_DB_…` variables say otherwise. No
/// secret is on a command line.
struct ImportSettings: Sendable {
  /// How to reach it.
  let configuration: DatabaseConfiguration

  /// Reads the variables. `database` is the name that was given on the command line, which goes before; `own` is this server's database, whose
  /// address and login are taken where nothing else is said.
  init(_ environment: Environment, database: String?, own: DatabaseConfiguration) throws(ConfigurationError) {
    var configuration = own
    configuration.host = environment.string("SPOT_OPTIMIZER_IMPORT_DB_HOST", default: own.host)
    configuration.port = UInt16(try environment.integer("SPOT_OPTIMIZER_IMPORT_DB_PORT", default: Int(own.port), in: 1...65_535))
    configuration.user = environment.string("SPOT_OPTIMIZER_IMPORT_DB_USER", default: own.user)
    configuration.password = environment.string("SPOT_OPTIMIZER_IMPORT_DB_PASSWORD", default: own.password)
    if let database {
      configuration.database = database
    } else {
      configuration.database = try environment.required(
        "SPOT_OPTIMIZER_IMPORT_DB_NAME", remedy: "name the former system's database there, or with --from-database NAME")
    }
    self.configuration = configuration
  }
}
