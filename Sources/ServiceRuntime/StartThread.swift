import CLinux
import Glibc

/// Starts a detached thread that blocks every signal (signals belong to `Signals`) and runs `body`.
///
/// Every thread of the program that is not Swift's own is made here. `stackSize` is in bytes; of a stack only what is used takes memory.
public func startThread(name: String, stackSize: Int = 1 << 20, _ body: @escaping @Sendable () -> Void) {
  final class Box {
    let name: String
    let body: @Sendable () -> Void
    init(_ name: String, _ body: @escaping @Sendable () -> Void) {
      self.name = name
      self.body = body
    }
  }
  var attributes = pthread_attr_t()
  pthread_attr_init(&attributes)
  defer { pthread_attr_destroy(&attributes) }
  pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
  pthread_attr_setstacksize(&attributes, stackSize)

  var everySignal = sigset_t()
  var before = sigset_t()
  sigfillset(&everySignal)
  pthread_sigmask(SIG_SETMASK, &everySignal, &before)
  defer { pthread_sigmask(SIG_SETMASK, &before, nil) }

  var thread = pthread_t()
  let entry: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { argument in
    guard let argument else { return nil }
    let box = Unmanaged<Box>.fromOpaque(argument).takeRetainedValue()
    spot_name_this_thread(box.name)
    box.body()
    return nil
  }
  let code = pthread_create(&thread, &attributes, entry, Unmanaged.passRetained(Box(name, body)).toOpaque())
  precondition(code == 0, "pthread_create: \(String(cString: strerror(code))) (raise the limit of threads, `ulimit -u`)")
}
