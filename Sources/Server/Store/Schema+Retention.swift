/// Version 5: what ended long ago is found by an index.
extension Schema {
  /// The commands of one rollout, or of none, by their end.
  static let commandsAge = """
    ALTER TABLE commands
      ADD KEY commands_age (rollout_id, finished_at)
    """
}
