import Glibc

/// Raises this process's limit of open files, as far as it may: the soft limit is often 1024. An agent needs `each` of them, a connection alone takes one.
func allowOpenFiles(forAgents agents: Int, each: Int = 1, besides others: Int) throws {
  let count = rlim_t(agents * each + others)
  var limit = rlimit()
  getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
  guard limit.rlim_cur < count else { return }
  let most = limit.rlim_max
  // Root may go beyond the hard limit.
  limit = rlimit(rlim_cur: count, rlim_max: max(most, count))
  guard setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
    throw BenchError("\(agents) agents need \(count) open files, and \(most) are allowed: raise the limit with `ulimit -Hn`")
  }
}
