/// The moments of a command's life in the journal, in their order: for a test that kills the agent at each of them. A product does nothing there.
package enum JournalStep: String, Sendable, CaseIterable {
  /// It came and is good; nothing is on disk.
  case arrived
  /// It is in the journal; the broker has no acknowledgement.
  case accepted
  /// The acknowledgement was handed to the connection.
  case acknowledged
  /// It is in the journal as started; its program was not.
  case started
  /// Its program runs.
  case running
  /// Its program has ended; the journal does not know.
  case ended
  /// The result is in the journal.
  case finished
  /// The broker has confirmed the result; the journal does not know.
  case confirmed
  /// Its id is in the list of those that are done; its entry is still there.
  case recorded
  /// Its entry is gone.
  case removed
}
