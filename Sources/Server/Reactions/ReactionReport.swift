/// What one reaction did in one transaction, for the log.
struct ReactionReport: Sendable, Equatable {
  /// The reaction's name.
  let name: String
  /// The events that it reacted to.
  var firingCount = 0
  /// The commands that it wrote.
  var commandCount = 0
  /// The commands that it did not write, because of its limit.
  var heldBackCount = 0
  /// Events for which it found no agent to run anything.
  var withoutTargetCount = 0
  /// Why it could not be carried out; then it wrote nothing.
  var problem: String?

  init(_ name: String) { self.name = name }

  /// One line.
  var summary: String {
    var text = "Reaction '\(name)' wrote \(commandCount) commands for \(firingCount) events"
    if heldBackCount > 0 { text += "; \(heldBackCount) more were held back by its limit a minute" }
    if withoutTargetCount > 0 { text += "; for \(withoutTargetCount) of them it found no agent" }
    return text
  }
}
