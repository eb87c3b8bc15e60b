import FleetProtocol

/// What `--help` prints.
enum Usage {
  static let program = """
    usage: fleet-bench COMMAND [OPTION…]

    Drives simulated agents and measures. It makes a client of its own in the database and takes away what it made when it ends.

      ingest      how fast a real worker brings a backlog of signed heartbeats to committed rows, and how fast that can be
      dispatch    how long a command takes to its agent, idle and while heartbeats drain, and how many a second get there
      agent       what one idle agent takes from its machine, and how long its start takes
      storm       how long a fleet takes to come back that lost every connection
      steady      what a large fleet at rest costs server, broker and database, and how late its heartbeats are
      grow        how heartbeats and commands fare as the tables grow, and while old rows are removed
      commands    how long a command takes to its agent, and its result to the database
      notices     how long it takes from a spot notice to the command of a reaction at another agent
      agents      how fast agents connect, and what one costs the broker
      priorities  what the priorities of agents' queues cost the broker

      --version  print the version
      --help     print this; behind a command, what it takes

    The environment is the server's: AMQP_URL, DB_HOST, DB_PORT, DB_USER, DB_PASSWORD, DB_NAME, SPOT_OPTIMIZER_KEYS_DIR, as
    `broker/local env` prints it, with RABBITMQCTL, which storm and agents need; docs/configuration.md has all of them. Use a broker and a database that nobody else is using.

    example:
      broker/local start && eval "$(broker/local env)"
      fleet-bench ingest --runs 5

    \(exitCodes)
    """

  static let ingest = """
    usage: fleet-bench ingest [OPTION…]

    Publishes signed heartbeats while no worker runs, starts `spot-optimizer-server --role worker`, and measures from its start of consuming to
    the last committed and acknowledged heartbeat. Then it stops the worker and checks that the queue is empty and that every agent's row
    has its newest heartbeat. In turn with it, with --limits, the bare C loop (Benchmarks/drain.c) does the same with as many messages of that size:
    consume, UPDATE … IN (…), acknowledge; neither signature nor JSON. A first pair with a tenth of the messages warms up and is not counted.
    The heartbeats' queue must be empty and without a consumer before.

      --heartbeats N    how many in a run (default: 200000)
      --agents N        of how many agents, in turn (default: 4000)
    \(scenario)

    example:
      fleet-bench ingest --limits .build/bench --json

    \(exitCodes)
    """

  static let dispatch = """
    usage: fleet-bench dispatch [OPTION…]

    Starts `spot-optimizer-server --role worker` and lets simulated agents register, each with a connection and a queue of its own. Then, in each run:
      idle            a command every 20 ms, written as spotctl writes it, to one agent after the other
      while draining  the same, from the moment that a server is started on a backlog of signed heartbeats until that is committed
      at once         many commands in one transaction
    Measured from the return of the commit until the agent's handler has the command, its signature verified; of those at once also until all
    results are stored. A short run of each kind but the second warms up and is not counted. The heartbeats' queue must be empty and without a consumer before.

      --agents N        that take commands (default: 5000)
      --commands N      of the idle part (default: 2000)
      --heartbeats N    that drain (default: 200000, of 4000 other agents)
      --batch N         commands at once (default: 50000)
    \(scenario)

    example:
      fleet-bench dispatch --agents 500 --batch 5000

    \(exitCodes)
    """

  static let agent = """
    usage: fleet-bench agent [OPTION…]

    Starts a server, and one real spot-optimizer-agent in each run, with a new state folder and without instance metadata. Measured: from its start until it
    takes commands, and to its first heartbeat, whose place in the interval of 30 s the agent chooses by chance; then, at rest, its memory and threads, and its processor time as a share of one core. A first agent warms up.

      --idle SECONDS    how long it is at rest (default: 30, which is one heartbeat)
    \(scenario)

    example:
      fleet-bench agent --runs 1 --idle 60

    \(exitCodes)
    """

  static let storm = """
    usage: fleet-bench storm [OPTION…]

    Starts a server and runs the agents' own code in this process, each with a thread, a connection and a state folder of its own. When all consume their
    queues, the broker closes every connection of its virtual host, the server's too (RABBITMQCTL close_all_connections). Measured from the first loss until
    an agent consumes again, with the pauses by chance that agents make; and meanwhile calls for a credential, and the answers to GET /health every 100 ms.
    In turn with it, with --limits, the bare C loop (Benchmarks/storm.c) makes as many logins on the same queues, one after the other and without a pause.
    A first storm warms up and is not counted.

      --agents N        how many (default: 5000)
    \(scenario)

    example:
      fleet-bench storm --agents 500 --limits .build/bench

    \(exitCodes)
    """

  static let steady = """
    usage: fleet-bench steady [OPTION…]

    Starts `spot-optimizer-server --role worker` and publishes the signed heartbeats of many agents, each every 30 s, spread evenly, over four connections; every
    second one more agent logs in, registers and goes. Measured: from publishing to commit, by the server's log; processor time and memory. Half a minute warms up.

      --agents N          how many (default: 20000)
      --seconds N         how long a run is (default: 600); --runs is 1 unless given
      --broker-pid N      a process of this machine whose processor time is told too
      --database-pid N    another
    \(scenario)

    example:
      fleet-bench steady --agents 5000 --seconds 60

    \(exitCodes)
    """

  static let grow = """
    usage: fleet-bench grow [OPTION…]

    Lets the tables grow and measures at each size, with as many messages each time: how fast a worker takes a backlog of heartbeats to rows (as ingest does, of at
    most \(GrowBenchmark.mostBeating) agents spread over the table), and how long a command takes to its agent (one every 20 ms to \(GrowBenchmark.takers) agents, as dispatch does on an idle system). First with more
    and more agents and no past; then, with the most agents, with more and more commands that have ended and as many system events. At last, on the largest
    tables, the heartbeats once more without and with the removal of old commands. A tenth of the heartbeats and \(GrowBenchmark.warmUpCommands) commands warm up at each size.
    The database must have neither agents nor commands; what was written is removed. --limits is passed over.

      --agents LIST     rows of agents (default: 1000,10000,100000)
      --history LIST    rows of commands, and of system events (default: 100000,1000000)
      --heartbeats N    at each size (default: 100000)
      --commands N      at each size (default: 500); --runs is 1 unless given
    \(scenario)

    example:
      fleet-bench grow --agents 1000,5000 --history 50000

    \(exitCodes)
    """

  static let commands = """
    usage: fleet-bench commands [OPTION…]

    Lets simulated agents log in with credentials of their own and register at a running server, then writes one command after the other for each
    and waits for its result. Measured from the return of the INSERT, which has committed: until the agent's handler has the command, its
    signature verified; and until the result is in the database, asked for every millisecond.

      --count N     commands altogether (default: 1000)
      --agents N    agents, each with one command at a time (default: 1)

    example:
      spot-optimizer-server & fleet-bench commands --count 200

    \(exitCodes)
    """

  static let notices = """
    usage: fleet-bench notices [OPTION…]

    Lets two simulated agents register at a running server and adds a reaction: when one of them has a spot notice, the other runs a command. Then
    publishes one notice after the other, each as soon as the one before has done its work. Measured from before the publishing of the notice until the
    other agent's handler has the command, its signature verified.

      --count N     notices (default: 1000)

    example:
      spot-optimizer-server & fleet-bench notices

    \(exitCodes)
    """

  static let agents = """
    usage: fleet-bench agents --count N [--hold SECONDS]

    Connects simulated agents: each with a connection, a channel, a consumer for replies and one on a queue of its own, as the agent has them.
    Needs no server and no database. Prints connections a second and, when RABBITMQCTL is set, the broker's memory an agent, its queue included.

      --count N        how many (required)
      --hold SECONDS   how long they stay, at least (default: 2)

    example:
      fleet-bench agents --count 1000 --hold 30

    \(exitCodes)
    """

  static let priorities = """
    usage: fleet-bench priorities [OPTION…]

    Declares queues as the server declares those of agents, and the same without x-max-priority, and compares them: the broker's memory for an empty one (when
    RABBITMQCTL is set), and how many persistent messages a second one takes and gives; the best of three rounds, each kind in turn.
    Needs no server and no database.

      --queues N    queues of each kind (default: 2000)
      --messages N  messages of a round (default: 20000)
      --highest N   x-max-priority (default: \(Topology.queuePriorities), that of agents' queues)

    example:
      fleet-bench priorities --queues 1000

    \(exitCodes)
    """

  private static let scenario = """
      --runs N          how often it is measured (default: 3); the median is printed, and the least and the greatest
      --json            print one JSON object on standard output
      --programs DIR    where spot-optimizer-server and spot-optimizer-agent are (default: beside this program)
      --limits DIR      where the bare C loops are, as script/bench compiles them; left out, they are not measured
    """

  private static let exitCodes = """
    exit codes: 0 measured, 1 failed or a check did not hold, 2 wrong arguments or configuration, 130 interrupted (and cleaned up; a second
    signal ends it at once)

    """
}
