/// The name that `word` was probably meant to be: the one that differs by two letters at most, and not in every letter; `nil` when there is none.
public func nearestWord(to word: String, in names: [String]) -> String? {
  guard let best = names.map({ ($0, distance(word, $0)) }).min(by: { $0.1 < $1.1 }), best.1 <= 2, best.1 < word.count else { return nil }
  return best.0
}

/// Letters to insert, remove or exchange to make one word of the other (Levenshtein). Words that are long are not compared.
private func distance(_ left: String, _ right: String) -> Int {
  guard left.utf8.count <= 64, right.utf8.count <= 64 else { return left == right ? 0 : Int.max }
  let right = Array(right)
  var row = Array(0...right.count)
  for (index, letter) in left.enumerated() {
    var diagonal = row[0]
    row[0] = index + 1
    for column in right.indices {
      let replaced = diagonal + (letter == right[column] ? 0 : 1)
      diagonal = row[column + 1]
      row[column + 1] = min(replaced, row[column] + 1, diagonal + 1)
    }
  }
  return row[right.count]
}
