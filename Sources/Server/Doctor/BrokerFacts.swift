import FleetProtocol

/// What the broker knows of itself and tells only its own tool, `rabbitmqctl`.
struct BrokerFacts: Sendable, Equatable {
  /// What is in one queue.
  struct QueueCounts: Sendable, Equatable {
    var ready: Int
    var unacknowledged: Int
    var consumers: Int
  }

  /// A binding as it is there.
  struct Binding: Sendable, Equatable {
    let exchange: String
    let queue: String
    let routingKey: String
  }

  /// `3.10.8`.
  var version: String?
  /// Plugins that run.
  var plugins: Set<String> = []
  /// TCP ports it listens on, whatever for.
  var ports: Set<Int> = []
  /// Who checks logins, in order.
  var backends: [String] = []
  /// Ids of the keys that credentials are checked with; `nil` when this version keeps them elsewhere.
  var keyIDs: [String]?
  /// Alarms in force, in the broker's words.
  var alarms: [String] = []
  /// Nodes that this one has lost sight of.
  var partitions: [String] = []
  /// Milliseconds; `nil` when there is no limit.
  var consumerTimeout: Int?
  /// Seconds that the broker proposes; `nil` when it is not known.
  var heartbeat: Int?
  /// The server's queues, those that are there.
  var queues: [String: QueueCounts] = [:]
  /// Bindings of the exchanges that the server's queues hang on.
  var bindings: [Binding] = []

  /// Reads what `question` prints; `nil` when it is not that.
  init?(_ text: String) {
    for line in text.split(separator: "\n") {
      let words = line.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
      guard words.count > 1 else { continue }
      let value = words[1...].joined(separator: " ")
      switch words[0] {
      case "version": version = value
      case "plugin": plugins.insert(value)
      case "port": if let port = Int(value) { ports.insert(port) }
      case "backend": backends.append(value)
      case "keys": keyIDs = keyIDs ?? []
      case "key": keyIDs = (keyIDs ?? []) + [value]
      case "alarm": alarms.append(value)
      case "partition": partitions.append(value)
      case "consumer_timeout": consumerTimeout = Int(value)
      case "heartbeat": heartbeat = Int(value)
      case "queue" where words.count == 5:
        guard let ready = Int(words[2]), let unacknowledged = Int(words[3]), let consumers = Int(words[4]) else { continue }
        queues[words[1]] = QueueCounts(ready: ready, unacknowledged: unacknowledged, consumers: consumers)
      case "binding" where words.count >= 3:
        bindings.append(Binding(exchange: words[1], queue: words[2], routingKey: words.dropFirst(3).joined(separator: " ")))
      default: continue
      }
    }
    guard version != nil else { return nil }
  }

  /// One expression for `rabbitmqctl eval`, because each call of the tool costs a second. Each question is asked apart: what a version of the broker does not
  /// know is left out and hinders nothing else.
  static func question(virtualHost: String) -> String {
    // As numbers, so that nothing in the name can end the text and become Erlang.
    let host = "<<\(virtualHost.utf8.map { String($0) }.joined(separator: ","))>>"
    let queues = Topology.serverQueues.map { "<<\"\($0)\">>" }.joined(separator: ",")
    let exchanges = Set(Topology.bindings.map(\.exchange)).sorted().map { "<<\"\($0)\">>" }.joined(separator: ",")
    let questions = [
      "io:format(\"version ~s~n\", [rabbit_misc:version()])",
      "[io:format(\"plugin ~s~n\", [P]) || P <- rabbit_plugins:active()]",
      "[io:format(\"port ~b~n\", [element(6, L)]) || L <- rabbit_networking:active_listeners()]",
      "[io:format(\"backend ~0p~n\", [B]) || B <- element(2, application:get_env(rabbit, auth_backends))]",
      // 3.x keeps a map, and a list where the keys came from a file of its own form.
      """
      begin {ok, C} = application:get_env(rabbitmq_auth_backend_oauth2, key_config), K = proplists:get_value(signing_keys, C), \
      io:format("keys known~n"), [io:format("key ~s~n", [I]) || I <- case is_map(K) of true -> maps:keys(K); _ -> proplists:get_keys(K) end] end
      """,
      "[io:format(\"alarm ~0p~n\", [A]) || A <- rabbit_alarm:get_alarms()]",
      "[io:format(\"partition ~s~n\", [N]) || N <- rabbit_node_monitor:partitions()]",
      "begin {ok, T} = application:get_env(rabbit, consumer_timeout), io:format(\"consumer_timeout ~0p~n\", [T]) end",
      "begin {ok, H} = application:get_env(rabbit, heartbeat), io:format(\"heartbeat ~b~n\", [H]) end",
      """
      [begin {ok, Q} = rabbit_amqqueue:lookup(rabbit_misc:r(V, queue, N)), \
      [{_, R}, {_, U}, {_, C}] = rabbit_amqqueue:info(Q, [messages_ready, messages_unacknowledged, consumers]), \
      io:format("queue ~s ~b ~b ~b~n", [N, R, U, C]) end || N <- [\(queues)], \
      element(1, rabbit_amqqueue:lookup(rabbit_misc:r(V, queue, N))) =:= ok]
      """,
      """
      [io:format("binding ~s ~s ~s~n", [X, element(4, element(4, B)), element(3, B)]) || X <- [\(exchanges)], \
      B <- rabbit_binding:list_for_source(rabbit_misc:r(V, exchange, X))]
      """,
    ]
    let asked = questions.map { "Try(fun() -> \($0) end)" }.joined(separator: ", ")
    return "V = \(host), Try = fun(F) -> try F() catch _:_ -> unknown end end, \(asked), ok."
  }
}
