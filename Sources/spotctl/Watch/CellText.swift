/// Texts on a grid of character cells.
enum CellText {
  /// The text in `width` cells at most, cut with `…`. Nothing in it can move the cursor or turn the direction of writing: what could is shown as its number.
  static func cut(_ text: String, to width: Int) -> String {
    guard width > 0 else { return "" }
    var result = ""
    var used = 0
    // Where to cut if more comes: before the character that would not leave a cell for the `…`.
    var short = ""
    for scalar in safe(text).unicodeScalars {
      let cells = cells(scalar)
      if used + cells > width { return short + "…" }
      result.unicodeScalars.append(scalar)
      used += cells
      if used < width { short = result }
    }
    return result
  }

  /// The text in exactly `width` cells.
  static func fit(_ text: String, to width: Int) -> String {
    let text = cut(text, to: width)
    return text + String(repeating: " ", count: max(0, width - Self.width(text)))
  }

  /// The cells that a text takes, once it is safe.
  static func width(_ text: String) -> Int { safe(text).unicodeScalars.reduce(0) { $0 + cells($1) } }

  private static func safe(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: isUnsafe) else { return text }
    var result = ""
    for scalar in text.unicodeScalars {
      if isUnsafe(scalar) {
        result += "\\u{\(String(scalar.value, radix: 16))}"
      } else {
        result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  private static func isUnsafe(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: true
    default: false
    }
  }

  /// Most characters take one cell, accents none, those of East Asia and emoji two. [Unicode TR11; the ranges as `wcwidth` has them, coarsened]
  private static func cells(_ scalar: Unicode.Scalar) -> Int {
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .enclosingMark: return 0
    default: break
    }
    switch scalar.value {
    case 0x1100...0x115f, 0x2e80...0x303e, 0x3041...0xa4cf, 0xac00...0xd7a3, 0xf900...0xfaff, 0xfe30...0xfe6f, 0xff00...0xff60,
      0xffe0...0xffe6, 0x1f300...0x1faff, 0x20000...0x3fffd:
      return 2
    default: return 1
    }
  }
}
