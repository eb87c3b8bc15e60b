/// The version of all programs of this package: what `--version`, registrations and `/health` say.
public let programVersion = "5.0.0"
