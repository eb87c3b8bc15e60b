/// The only form in which a token or another secret may be shown: its first eight and last four characters, `abc12345...xyz9`.
///
/// A secret of 16 characters or fewer would be given away by that, so of those nothing is shown but the length; an empty one says so.
public func tokenPreview(_ secret: String) -> String {
  if secret.isEmpty { return "(empty)" }
  if secret.count <= 16 { return "(\(secret.count) characters, too short to show)" }
  return "\(printable(String(secret.prefix(8))))...\(printable(String(secret.suffix(4))))"
}
