import CRabbitMQ
import Glibc

/// Field tables to librabbitmq's structures. What comes from the broker is read by `FieldReader`.
enum TableCoding {
  /// Copies a text into the pool.
  static func copy(_ text: String, _ pool: inout amqp_pool_t) -> amqp_bytes_t {
    var text = text
    return text.withUTF8 { copy(UnsafeRawBufferPointer($0), &pool) }
  }

  static func copy(_ source: UnsafeRawBufferPointer, _ pool: inout amqp_pool_t) -> amqp_bytes_t {
    guard let base = source.baseAddress, !source.isEmpty else { return amqp_empty_bytes }
    var bytes = amqp_bytes_t()
    amqp_pool_alloc_bytes(&pool, source.count, &bytes)
    guard let target = bytes.bytes else { fatalError("out of memory for \(source.count) bytes") }
    target.copyMemory(from: base, byteCount: source.count)
    return bytes
  }

  static func encode(_ table: FieldTable, _ pool: inout amqp_pool_t) -> amqp_table_t {
    guard !table.isEmpty else { return amqp_empty_table }
    let count = table.entries.count
    guard let memory = amqp_pool_alloc(&pool, count * MemoryLayout<amqp_table_entry_t>.stride) else {
      fatalError("out of memory for a table of \(count) entries")
    }
    let entries = memory.bindMemory(to: amqp_table_entry_t.self, capacity: count)
    for (index, entry) in table.entries.enumerated() {
      entries[index] = amqp_table_entry_t(key: copy(entry.name, &pool), value: encode(entry.value, &pool))
    }
    return amqp_table_t(num_entries: Int32(count), entries: entries)
  }

  private static func encode(_ value: FieldValue, _ pool: inout amqp_pool_t) -> amqp_field_value_t {
    var field = amqp_field_value_t()
    switch value {
    case .null, .unsupported: field.kind = kind(AMQP_FIELD_KIND_VOID)
    case .bool(let flag):
      field.kind = kind(AMQP_FIELD_KIND_BOOLEAN)
      field.value.boolean = flag ? 1 : 0
    case .int(let number):
      field.kind = kind(AMQP_FIELD_KIND_I64)
      field.value.i64 = number
    case .double(let number):
      field.kind = kind(AMQP_FIELD_KIND_F64)
      field.value.f64 = number
    case .text(let text):
      field.kind = kind(AMQP_FIELD_KIND_UTF8)
      field.value.bytes = copy(text, &pool)
    case .bytes(let bytes):
      field.kind = kind(AMQP_FIELD_KIND_BYTES)
      field.value.bytes = bytes.withUnsafeBytes { copy($0, &pool) }
    case .timestamp(let seconds):
      field.kind = kind(AMQP_FIELD_KIND_TIMESTAMP)
      field.value.u64 = UInt64(bitPattern: seconds)
    case .array(let values):
      field.kind = kind(AMQP_FIELD_KIND_ARRAY)
      guard !values.isEmpty, let memory = amqp_pool_alloc(&pool, values.count * MemoryLayout<amqp_field_value_t>.stride) else {
        field.value.array = amqp_empty_array
        break
      }
      let entries = memory.bindMemory(to: amqp_field_value_t.self, capacity: values.count)
      for (index, value) in values.enumerated() { entries[index] = encode(value, &pool) }
      field.value.array = amqp_array_t(num_entries: Int32(values.count), entries: entries)
    case .table(let table):
      field.kind = kind(AMQP_FIELD_KIND_TABLE)
      field.value.table = encode(table, &pool)
    }
    return field
  }

  private static func kind(_ kind: amqp_field_value_kind_t) -> UInt8 { UInt8(truncatingIfNeeded: kind.rawValue) }
}
