import MySQL

extension TargetExpression {
  /// The condition over the alias `a` of `agents`, in what MariaDB 10.6 and MySQL 8 share. It is true or false for every agent and never NULL, so that `not` and
  /// `!=` also find agents of which something is not known.
  public var condition: SQLCondition {
    var sql = SQLCondition()
    root.write(to: &sql)
    return sql
  }
}

extension TargetExpression.Condition {
  fileprivate func write(to sql: inout SQLCondition) {
    switch self {
    case .everyone: sql.append(sql: "TRUE")
    case .every(let conditions): Self.write(conditions, " AND ", to: &sql)
    case .any(let conditions): Self.write(conditions, " OR ", to: &sql)
    case .not(let condition):
      sql.append(sql: "NOT (")
      condition.write(to: &sql)
      sql.append(sql: ")")
    case .equals(let subject, let operand): subject.write([operand], to: &sql)
    case .differs(let subject, let operand):
      sql.append(sql: "NOT ")
      subject.write([operand], to: &sql)
    case .among(let subject, let operands): subject.write(operands, to: &sql)
    case .hasTag(let name):
      TargetExpression.Subject.openTag(name, to: &sql)
      sql.append(sql: "t.value IS NOT NULL)")
    }
  }

  private static func write(_ conditions: [Self], _ separator: StaticString, to sql: inout SQLCondition) {
    sql.append(sql: "(")
    for (index, condition) in conditions.enumerated() {
      if index > 0 { sql.append(sql: separator) }
      condition.write(to: &sql)
    }
    sql.append(sql: ")")
  }
}

extension TargetExpression.Subject {
  /// One of the operands, as one term in brackets.
  fileprivate func write(_ operands: [TargetExpression.Operand], to sql: inout SQLCondition) {
    switch self {
    case .tag(let name):
      Self.openTag(name, to: &sql)
      Self.compare("t.value", operands, to: &sql)
      sql.append(sql: ")")
    case .property(.client): Self.client(operands, to: &sql)
    case .property(.status): Self.compare("a.status", operands, to: &sql)
    case .property(.mode): Self.compare("a.mode", operands, to: &sql)
    case .property(.transport): Self.compare("a.transport", operands, to: &sql)
    case .property(.id): Self.compare("a.id", operands, to: &sql)
    case .property(.name): Self.compare("a.logical_agent_id", operands, to: &sql)
    case .property(.region): Self.compare("a.region", operands, isNullable: true, to: &sql)
    case .property(.az): Self.compare("a.az", operands, isNullable: true, to: &sql)
    case .property(.instanceType): Self.compare("a.instance_type", operands, isNullable: true, to: &sql)
    case .property(.version): Self.compare("a.agent_version", operands, isNullable: true, to: &sql)
    }
  }

  /// A subquery as far as the value's condition. A tag is one row of the primary key.
  fileprivate static func openTag(_ name: String, to sql: inout SQLCondition) {
    sql.append(sql: "EXISTS (SELECT 1 FROM agent_tags t WHERE t.agent_key = a.agent_key AND t.name = ")
    sql.append(.text(name))
    sql.append(sql: " AND ")
  }

  /// By id, or by name where no client has that id: nobody can get at another's agents by taking its id for a name.
  private static func client(_ operands: [TargetExpression.Operand], to sql: inout SQLCondition) {
    sql.append(sql: "(")
    for (index, operand) in operands.enumerated() {
      if index > 0 { sql.append(sql: " OR ") }
      compare("a.client_id", [operand], to: &sql)
      sql.append(sql: " OR (NOT EXISTS (SELECT 1 FROM clients k WHERE ")
      compare("k.id", [operand], to: &sql)
      sql.append(sql: ") AND EXISTS (SELECT 1 FROM clients k WHERE k.id = a.client_id AND ")
      compare("k.name", [operand], to: &sql)
      sql.append(sql: "))")
    }
    sql.append(sql: ")")
  }

  private static func compare(
    _ column: StaticString, _ operands: [TargetExpression.Operand], isNullable: Bool = false, to sql: inout SQLCondition
  ) {
    let texts = operands.filter { !$0.isPrefix }.map(\.text)
    let prefixes = operands.filter(\.isPrefix).map(\.text)
    sql.append(sql: "(")
    if isNullable {
      sql.append(sql: column)
      sql.append(sql: " IS NOT NULL AND (")
    }
    if !texts.isEmpty {
      sql.append(sql: column)
      sql.append(sql: texts.count == 1 ? " = " : " IN (")
      for (index, text) in texts.enumerated() {
        if index > 0 { sql.append(sql: ", ") }
        sql.append(.text(text))
      }
      if texts.count > 1 { sql.append(sql: ")") }
    }
    for (index, prefix) in prefixes.enumerated() {
      if index > 0 || !texts.isEmpty { sql.append(sql: " OR ") }
      sql.append(sql: column)
      sql.append(sql: " LIKE ")
      sql.append(.text(pattern(prefix)))
      // Named, because the backslash would mean nothing in a session with NO_BACKSLASH_ESCAPES.
      sql.append(sql: " ESCAPE '!'")
    }
    if isNullable { sql.append(sql: ")") }
    sql.append(sql: ")")
  }

  private static func pattern(_ prefix: String) -> String {
    var pattern = ""
    for scalar in prefix.unicodeScalars {
      if scalar == "%" || scalar == "_" || scalar == "!" { pattern.unicodeScalars.append("!") }
      pattern.unicodeScalars.append(scalar)
    }
    return pattern + "%"
  }
}
