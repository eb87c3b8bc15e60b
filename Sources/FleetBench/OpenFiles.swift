import Glibc

/// Raises this process's limit of open files: a connection takes one, and the soft limit is often 1024.
func allowOpenFiles(forAgents agents: Int, besides others: Int) throws {
  let count = agents + others
  var limit = rlimit()
  getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
  guard limit.rlim_cur < count else { return }
  limit.rlim_cur = min(limit.rlim_max, rlim_t(count))
  guard limit.rlim_cur >= count, setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
    throw BenchError("\(agents) agents need \(count) open files, and \(limit.rlim_max) are allowed: raise the limit with `ulimit -Hn`")
  }
}
