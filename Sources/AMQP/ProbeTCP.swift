import Glibc
import ServiceRuntime

/// Connects to a port over TCP, closes the connection at once, and returns how long that took, name resolution included.
///
/// For whoever wants to know what the network says before a protocol is spoken: `.connect` with the errno, or `.timeout`. Blocks a thread made for it.
public func probeTCP(host: String, port: Int, limit: Duration) async throws(AMQPError) -> Duration {
  let result: Result<Duration, AMQPError> = await withCheckedContinuation { continuation in probe(host, port, limit, continuation) }
  return try result.get()
}

/// Outside any actor: what runs on the thread must not be written in an isolated context.
private func probe(_ host: String, _ port: Int, _ limit: Duration, _ continuation: CheckedContinuation<Result<Duration, AMQPError>, Never>)
{
  startThread(name: "tcp-probe") {
    let started = ContinuousClock.now
    do throws(AMQPError) {
      close(try connectTCP(host: host, port: port, limit: limit))
      continuation.resume(returning: .success(started.duration(to: .now)))
    } catch {
      continuation.resume(returning: .failure(error))
    }
  }
}
