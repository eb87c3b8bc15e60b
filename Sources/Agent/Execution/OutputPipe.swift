import CLinux
import Glibc

/// A pipe for one of a program's streams.
struct OutputPipe: ~Copyable {
  /// Ours; it does not block.
  private let readEnd: Descriptor
  /// The program's; it blocks, as programs expect.
  let writeEnd: Descriptor

  private init(_ readEnd: consuming Descriptor, _ writeEnd: consuming Descriptor) {
    self.readEnd = readEnd
    self.writeEnd = writeEnd
  }

  /// A new pipe.
  static func open() throws(ExecutableProblem) -> OutputPipe {
    var ends: [Int32] = [-1, -1]
    guard CLinux.pipe2(&ends, O_CLOEXEC) == 0 else { throw ExecutableProblem.system("A pipe cannot be opened") }
    let readEnd: Descriptor
    do throws(ExecutableProblem) {
      readEnd = try Descriptor(ends[0], "A pipe")
    } catch {
      close(ends[1])
      throw error
    }
    _ = fcntl(readEnd.number, F_SETFL, O_NONBLOCK)
    return OutputPipe(readEnd, try Descriptor(ends[1], "A pipe"))
  }

  /// Our end alone: the pipe ends when the program, and all it gave its end to, have closed theirs.
  consuming func reader() -> OutputReader { OutputReader(readEnd) }
}

/// Our end of a program's stream.
struct OutputReader: ~Copyable {
  /// Becomes readable with output and at the end.
  let descriptor: Descriptor
  /// Whether there may be more to read.
  private(set) var isOpen = true

  fileprivate init(_ descriptor: consuming Descriptor) { self.descriptor = descriptor }

  /// Reads what is there into the buffer and returns how much it was.
  mutating func read(into buffer: inout [UInt8]) -> Int {
    guard isOpen else { return 0 }
    let count = buffer.withUnsafeMutableBytes { Glibc.read(descriptor.number, $0.baseAddress, $0.count) }
    if count < 0 && (errno == EINTR || errno == EAGAIN) { return 0 }
    if count <= 0 { isOpen = false }
    return max(0, count)
  }
}
