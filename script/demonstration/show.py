"""The acts of the demo. Each one does something, waits until its effect is seen, and tells where it was seen; nothing is assumed."""

import contextlib
import time

from localservices.processes import Failure, wait_until

from .evidence import Unanswered, quoted
from .fleet import HEARTBEAT_INTERVAL, HEARTBEAT_TIMEOUT

AGENTS = ("demo-1", "demo-2", "demo-3")
VICTIM = "demo-2"
# The machine may be busy with other things; what is waited for comes within a second or two otherwise.
PATIENCE = 90

# What has to be seen, in order, as the summary names it.
PROMISES = {
    "registered": "three agents registered",
    "heartbeats": "heartbeats became rows",
    "ping": "pings were answered",
    "wrong token": "an agent with a wrong token: refused",
    "disabled client": "an agent of a disabled client: refused",
    "offline": "an agent killed: offline",
    "online": "started again: online",
    "followed": "commands that are followed",
    "called off": "a running command was called off",
    "paused": "a rollout stopped by itself",
    "completed": "and went on to its end",
    "switched": "a spot notice: another agent switched",
    "buffered": "server stopped: the broker buffers",
    "drained": "server back: everything drained",
    "answered": "the command written meanwhile: answered",
    "nobody offline": "nobody was taken for offline",
}


class NotSeen(Exception):
    """What was promised did not happen; the text says what was seen instead."""


class Show:
    """The acts, and what was seen."""

    def __init__(self, fleet, screen, client_id, token, disabled_token):
        self.fleet = fleet
        self.screen = screen
        self.client_id = client_id
        self.token = token
        self.disabled_token = disabled_token
        self.evidence = {}
        self.failures = {}

    def run(self):
        """All acts but the last, which is `Outage`. A promise that fails leaves the later ones to be tried."""
        self.registrations()
        self.heartbeats()
        self.pings()
        self.refusals()
        self.crash()

    @property
    def is_complete(self):
        """Whether everything was seen."""
        return not self.failures and len(self.evidence) == len(PROMISES)

    @contextlib.contextmanager
    def promise(self, name):
        """A part that ends with `self.keep(name, …)`, or did not keep its promise."""
        try:
            yield
        except (NotSeen, Unanswered, Failure) as problem:
            self.failures[name] = str(problem)
            self.screen.missed(f"not seen: {PROMISES[name]}: {problem}")

    def keep(self, name, evidence, text):
        """It was seen."""
        self.evidence[name] = evidence
        self.screen.seen(text)

    def summary(self):
        """What was seen and what was not."""
        self.screen.heading("What was seen")
        for name, title in PROMISES.items():
            if name in self.failures or name not in self.evidence:
                self.screen.row(False, title, f"NOT SEEN: {self.failures.get(name, 'the demo ended before it')}")
            else:
                self.screen.row(True, title, self.evidence[name])

    # Looking

    def agent_rows(self):
        """The agents' rows by name."""
        rows = self.fleet.database.rows(
            "SELECT logical_agent_id, id, status, generation, queue, last_heartbeat_at, "
            "COALESCE(TIMESTAMPDIFF(MICROSECOND, last_heartbeat_at, NOW(3)) / 1e6, 1e9) "
            f"FROM agents WHERE client_id = {quoted(self.client_id)} AND registered_at IS NOT NULL ORDER BY logical_agent_id")
        names = ("id", "status", "generation", "queue", "heartbeat", "age")
        return {row[0]: dict(zip(names, row[1:])) for row in rows}

    def row(self, name):
        """One agent's row."""
        row = self.agent_rows().get(name)
        if row is None:
            raise NotSeen(f"{name} has no row in the database")
        return row

    def not_online(self):
        """Names and states of those that the database does not have as online."""
        rows = self.agent_rows()
        states = {name: rows[name]["status"] if name in rows else "unknown" for name in AGENTS}
        return [f"{name} is {state}" for name, state in states.items() if state != "online"]

    def wait(self, condition, problem, seconds=PATIENCE):
        """Waits for it; NotSeen with what `problem` says then."""
        if not wait_until(condition, seconds):
            raise NotSeen(f"{problem()} after {seconds} s")

    # Acts

    def registrations(self):
        """Three agents register and get a queue each."""
        self.screen.heading("1. Three agents register")
        with self.promise("registered"):
            for name in AGENTS:
                self.fleet.start_agent(name, self.token)
            self.screen.say(
                f"{', '.join(AGENTS)} are started. Each asks the server for a credential, logs in at the broker with it and "
                "registers there")
            told = set()

            def all_there():
                for name, row in self.agent_rows().items():
                    if name in told or self.fleet.agent_log(name).find("is registered for the client") is None:
                        continue
                    if self.fleet.queues.depth(row["queue"]) is not None:
                        told.add(name)
                        self.screen.say(f"{name} is registered: row {row['id']} in agents, queue {row['queue']} at the broker")
                return len(told) == len(AGENTS)

            self.wait(all_there, lambda: self.not_registered(told))
            self.keep(
                "registered", "rows in the database, queues at the broker", "each has its row in the database and its queue at the broker")

    def not_registered(self, told):
        """Those that are missing, with the last line of their logs."""
        lines = {name: self.fleet.agent_log(name).lines()[-1:] for name in AGENTS if name not in told}
        return "; ".join(f"{name} is not registered (its log: {' '.join(line) or 'empty'})" for name, line in lines.items())

    def heartbeats(self):
        """Heartbeats arrive in the rows."""
        self.screen.heading("2. Heartbeats become rows")
        with self.promise("heartbeats"):
            self.screen.say(f"every agent sends one each {HEARTBEAT_INTERVAL} s here (30 s unless configured otherwise)")
            seen = set()
            began = last_told = time.monotonic()

            def enough():
                nonlocal last_told
                rows = self.agent_rows()
                seen.update((name, row["heartbeat"]) for name, row in rows.items() if row["heartbeat"])
                if time.monotonic() - last_told >= 1:
                    last_told = time.monotonic()
                    self.screen.say(f"{len(seen)} heartbeats in the {len(rows)} rows so far, the last one {youngest(rows):.1f} s old")
                return all(sum(1 for name, _ in seen if name == agent) >= 4 for agent in AGENTS)

            self.wait(enough, lambda: f"{len(seen)} heartbeats in the rows")
            rows = self.agent_rows()
            if not_online := self.not_online():
                raise NotSeen("; ".join(not_online))
            took = time.monotonic() - began
            self.keep(
                "heartbeats", f"{len(seen)} in {took:.1f} s, the last one {youngest(rows):.1f} s old",
                f"{len(seen)} heartbeats of {len(rows)} agents in {took:.1f} s, the last one {youngest(rows):.1f} s old; all are online")

    def pings(self):
        """A command with spotctl, measured in the database from its commit to the commit of its result."""
        self.screen.heading("3. A command and its answer")
        with self.promise("ping"):
            latencies = []
            for name in AGENTS:
                self.screen.command(f"spotctl commands send {name} ping --wait")
                agent = self.row(name)["id"]
                latency, resolution = self.measured_ping(name, agent)
                latencies.append(latency)
                self.screen.say(f"{name} answered {latency:.0f} ms after the command was committed (looked every {resolution:.0f} ms)")
            self.keep(
                "ping", ", ".join(f"{latency:.0f}" for latency in latencies) + " ms from commit to result",
                "committed → dispatched → run by the agent → result committed, in " + ", ".join(f"{latency:.0f}" for latency in latencies)
                + " ms. The agents poll for nothing")

    def measured_ping(self, name, agent):
        """Sends a ping while looking at the table all the time: milliseconds to the result, and the longest gap between two looks."""
        before = self.fleet.database.value(f"SELECT COALESCE(MAX(seq), 0) FROM commands WHERE agent_id = {quoted(agent)}")
        statement = (
            "SELECT status, COALESCE(output, ''), COALESCE(error, '') FROM commands "
            f"WHERE agent_id = {quoted(agent)} AND seq > {before} ORDER BY seq LIMIT 1")
        committed = None
        spotctl = self.fleet.begin_spotctl("commands", "send", name, "ping", "--wait")
        gap, last_look = 0, time.monotonic()
        deadline = last_look + PATIENCE
        while True:
            rows = self.fleet.database.rows(statement)
            now = time.monotonic()
            if rows:
                # It was committed since the look before; from there on is counted, so that nothing looks better than it was.
                committed = committed or last_look
                gap = max(gap, now - last_look)
            last_look = now
            if rows and rows[0][0] in ("succeeded", "failed", "timed_out", "expired", "undeliverable"):
                break
            if now > deadline:
                raise NotSeen(f"the ping to {name} is {rows[0][0] if rows else 'not in the table'} after {PATIENCE} s")
            time.sleep(0.0005)
        latency = now - committed
        status, objects, error = self.fleet.end_spotctl(spotctl)
        if status != 0 or rows[0][0] != "succeeded" or '"pong":true' not in rows[0][1].replace(" ", ""):
            raise NotSeen(f"the ping to {name}: {rows[0]}; spotctl's exit code is {status} {error}".strip())
        if not objects or objects[0].get("status") != "succeeded":
            raise NotSeen(f"spotctl says of the ping to {name}: {objects} {error}".strip())
        return latency * 1000, gap * 1000

    def refusals(self):
        """Those who may not in."""
        self.screen.heading("4. Two agents that are refused, in their own words")
        self.refusal(
            "wrong token", "stranger", "no-such-token-0123456789", "a token that no client has", 401, "Invalid client token")
        self.refusal(
            "disabled client", "former-1", self.disabled_token, "the token of a client that was disabled", 403,
            "Client account is not active")

    def refusal(self, name, agent, token, whose, code, reason):
        """One of them: its error lines, its exit code, the server's line, and that it has no row."""
        with self.promise(name):
            self.screen.say(f"the agent '{agent}' is started with {whose}:")
            mark = self.fleet.server_log.mark()
            child = self.fleet.start_agent(agent, token)
            self.wait(lambda: child.status() is not None, lambda: f"the agent '{agent}' is still running")
            status = child.status()
            self.fleet.discard(child)
            lines = [line for line in self.fleet.agent_log(agent).lines() if " ERROR - " in line]
            for line in lines:
                self.screen.quote(line)
            if not any(f"HTTP error {code}: " in line for line in lines) or not any(reason in line for line in lines):
                raise NotSeen(f"no lines with 'HTTP error {code}' and '{reason}' in its log")
            if status != 3:
                raise NotSeen(f"its exit code is {status}, not 3")
            self.wait(
                lambda: self.fleet.server_log.find(reason, mark=mark), lambda: f"the server's log has no line with '{reason}'", seconds=5)
            if self.fleet.database.value(f"SELECT COUNT(*) FROM agents WHERE logical_agent_id = {quoted(agent)}") != "0":
                raise NotSeen("it has a row in agents all the same")
            self.keep(
                name, f"{code} {reason}", "it ended with exit code 3. The server's log has it, the table of agents does not")

    def crash(self):
        """An agent dies without a word, is noticed by its silence, and comes back as itself."""
        self.screen.heading("5. An agent dies, and comes back")
        before = None
        with self.promise("offline"):
            before = self.row(VICTIM)
            victim = self.fleet.agents[VICTIM]
            victim.kill()
            self.fleet.discard(victim)
            self.screen.say(
                f"{VICTIM} is killed (SIGKILL), so it can tell nobody. The server calls an agent offline after "
                f"{HEARTBEAT_TIMEOUT} s of silence here (shortened for this demo; 120 s unless configured otherwise)")
            self.wait(lambda: self.row(VICTIM)["status"] == "offline", lambda: f"its row says {self.row(VICTIM)['status']}")
            silence = float(self.row(VICTIM)["age"])
            if len(down := self.not_online()) != 1:
                raise NotSeen(f"not only {VICTIM} went offline: {', '.join(down)}")
            if silence < HEARTBEAT_TIMEOUT:
                raise NotSeen(f"it was called offline {silence} s after its last heartbeat, before the time-out")
            self.keep(
                "offline", f"{silence:.1f} s after its last heartbeat; the others stayed online",
                f"its row says offline, {silence:.1f} s after its last heartbeat; the others are online")
        with self.promise("online"):
            if before is None:
                raise NotSeen(f"{VICTIM} never registered")
            started = time.monotonic()
            self.fleet.start_agent(VICTIM, self.token)
            self.screen.say(f"{VICTIM} is started again")

            def is_back():
                row = self.row(VICTIM)
                return row["status"] == "online" and int(row["generation"]) > int(before["generation"])

            self.wait(is_back, lambda: f"its row is {self.row(VICTIM)}")
            took = time.monotonic() - started
            row = self.row(VICTIM)
            if row["id"] != before["id"]:
                raise NotSeen(f"it has a new row, {row['id']} instead of {before['id']}")
            self.keep(
                "online", f"{took:.1f} s after its start, under the same id",
                f"online {took:.1f} s after its start, with the same row and a new queue, {row['queue']}")


def youngest(rows):
    """The age of the newest heartbeat, in seconds."""
    return min((float(row["age"]) for row in rows.values()), default=float("nan"))
