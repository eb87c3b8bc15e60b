/// An executable of the commands folder that may be run.
struct ExecutableFile: Sendable, Equatable {
  /// What it is called as: the command's name.
  let name: String
  /// The file that is run: below the folder, after symbolic links.
  let path: String
  /// Whether it may be run again when the agent died while it ran: a file `<name>.repeatable` lies beside it.
  let isRepeatable: Bool
  /// Where it lies; looked at again when it is run.
  let folder: CommandsFolder
}
