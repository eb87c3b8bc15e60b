import Glibc
import ServiceRuntime

/// The terminal's alternate screen, for as long as something is shown on it. From any thread; after `leave` nothing is drawn any more.
final class Screen: Sendable {
  private enum State {
    case unused
    case shown(termios?)
    case left
  }

  private let state = Lock(State.unused)
  private let descriptor: Int32

  init(_ descriptor: Int32 = STDOUT_FILENO) { self.descriptor = descriptor }

  /// Columns and lines as they are now; `nil` when this is no terminal or does not say.
  var size: (columns: Int, lines: Int)? {
    var size = winsize()
    guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else { return nil }
    return (Int(size.ws_col), Int(size.ws_row))
  }

  /// Turns to the alternate screen, hides the cursor, and keeps what is typed from being shown.
  func enter() {
    state.withLock { state in
      guard case .unused = state else { return }
      var before = termios()
      let hasModes = tcgetattr(descriptor, &before) == 0
      if hasModes {
        var modes = before
        // Ctrl-C goes on being a signal; Ctrl-Z and Ctrl-\ would leave the terminal as it is here.
        modes.c_lflag &= ~tcflag_t(ECHO | ICANON)
        withUnsafeMutableBytes(of: &modes.c_cc) { characters in
          characters[Int(VSUSP)] = 0
          characters[Int(VQUIT)] = 0
        }
        tcsetattr(descriptor, TCSAFLUSH, &modes)
      }
      state = .shown(hasModes ? before : nil)
      // Alternate screen; no wrapping at the margin; no cursor.
      writeFully("\u{1b}[?1049h\u{1b}[?7l\u{1b}[?25l", to: descriptor)
    }
  }

  /// Shows these lines and nothing else, in one write: each is overwritten in place, so that nothing is dark in between. `false` when the terminal is gone.
  func draw(_ lines: [String]) -> Bool {
    var text = "\u{1b}[?2026h\u{1b}[H"
    for (index, line) in lines.enumerated() { text += (index > 0 ? "\r\n" : "") + line + "\u{1b}[K" }
    text += "\u{1b}[J\u{1b}[?2026l"
    return state.withLock { state in
      guard case .shown = state else { return true }
      return writeFully(text, to: descriptor)
    }
  }

  /// Gives the terminal back as it was. Again does nothing.
  func leave() {
    state.withLock { state in
      guard case .shown(let modes) = state else { return }
      writeFully("\u{1b}[?25h\u{1b}[?7h\u{1b}[?1049l", to: descriptor)
      // What was typed meanwhile was meant for nobody.
      if var modes { tcsetattr(descriptor, TCSAFLUSH, &modes) }
      state = .left
    }
  }
}
