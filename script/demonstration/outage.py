"""The last act: the server is stopped while its agents go on, and comes back."""

import time

from .evidence import quoted
from .fleet import HEARTBEAT_INTERVAL, HEARTBEAT_TIMEOUT
from .show import AGENTS, PATIENCE, NotSeen

HEARTBEATS_QUEUE = "fleet.heartbeats"
WORK_QUEUES = ("fleet.register", HEARTBEATS_QUEUE, "fleet.results")
DEAD_LETTERS = "fleet.dead-letters"
OUTAGE_SECONDS = 10
RECEIVER = "demo-3"
# When the command is written, counted from the stop.
COMMAND_AFTER_SECONDS = 4


class Outage:
    """Ten seconds without a server."""

    def __init__(self, show):
        self.show = show
        self.fleet = show.fleet
        self.screen = show.screen
        self.command = None
        self.buffered = 0
        # Agents that the database once had as something else than online.
        self.offline = []

    def run(self):
        """Stop, wait, start, look."""
        self.screen.heading(f"10. The server is away for {OUTAGE_SECONDS} seconds")
        with self.show.promise("buffered"):
            self.stop()
        # Whatever was seen: a demo that stays up needs its server.
        if self.fleet.server.status() is not None:
            mark = self.fleet.server_log.mark()
            self.fleet.start_server()
            back = time.monotonic()
            self.screen.say("the server is started again, and healthy")
            with self.show.promise("drained"):
                self.drained()
            with self.show.promise("answered"):
                self.answered()
            with self.show.promise("nobody offline"):
                self.nobody_offline(mark, back)

    def stop(self):
        agents = {name: (self.fleet.agents[name], self.fleet.agent_log(name).mark()) for name in AGENTS}
        server = self.fleet.server
        server.ask_to_stop()
        if server.wait(PATIENCE) is None:
            raise NotSeen(f"the server still runs {PATIENCE} s after SIGTERM")
        stopped = time.monotonic()
        status = server.status()
        self.fleet.discard(server)
        if status != 0:
            raise NotSeen(f"the server ended with {self.fleet.describe(server)}")
        self.screen.say(f"the server is stopped (exit code 0); GET /health: {self.fleet.health()}. The agents are not told")
        depths = [self.fleet.queues.depth(HEARTBEATS_QUEUE)]
        next_word = stopped + 2
        while time.monotonic() < stopped + OUTAGE_SECONDS:
            time.sleep(0.2)
            self.look_for_offline()
            if self.command is None and time.monotonic() >= stopped + COMMAND_AFTER_SECONDS:
                self.write_command()
            if time.monotonic() >= next_word:
                next_word += 2
                depths.append(self.fleet.queues.depth(HEARTBEATS_QUEUE))
                self.screen.say(f"heartbeats waiting in {HEARTBEATS_QUEUE}: {depths[-1]}")
        depths.append(self.fleet.queues.depth(HEARTBEATS_QUEUE))
        self.buffered = depths[-1]
        expected = len(AGENTS) * OUTAGE_SECONDS / HEARTBEAT_INTERVAL
        grew = all(earlier < later for earlier, later in zip(depths[:-1], depths[1:-1]))
        if not grew or depths[-1] < 0.8 * expected:
            raise NotSeen(f"the depth of {HEARTBEATS_QUEUE} was {', '.join(map(str, depths))}, with {expected:.0f} to come")
        for name, (agent, mark) in agents.items():
            if agent.status() is not None:
                raise NotSeen(f"{name} ended meanwhile ({self.fleet.describe(agent)})")
            if troubles := [line for line in self.fleet.agent_log(name).lines(mark) if " WARNING - " in line or " ERROR - " in line]:
                raise NotSeen(f"{name} complained: {troubles[0]}")
        if (state := self.command_state()) != "pending":
            raise NotSeen(f"the command that was written is {state}, with no server to send it")
        self.show.keep(
            "buffered", f"{self.buffered} heartbeats waiting after {OUTAGE_SECONDS} s, the agents undisturbed",
            f"{self.buffered} heartbeats wait in the broker, the command waits in the database (pending), and no agent has "
            "noticed anything")

    def write_command(self):
        agent = self.show.row(RECEIVER)["id"]
        statement = f"INSERT INTO commands (agent_id, command_type) VALUES ({quoted(agent)}, 'ping')"
        self.screen.say(f"meanwhile somebody writes a command for {RECEIVER}, in bare SQL:")
        self.screen.quote(f"{statement};")
        self.fleet.database.rows(statement)
        self.command = self.fleet.database.value(f"SELECT id FROM commands WHERE agent_id = {quoted(agent)} ORDER BY seq DESC LIMIT 1")

    def command_state(self):
        if self.command is None:
            raise NotSeen("the command was not written")
        return self.fleet.database.value(f"SELECT status FROM commands WHERE id = {quoted(self.command)}")

    def look_for_offline(self):
        for text in self.show.not_online():
            if text not in self.offline:
                self.offline.append(text)

    def drained(self):
        """Nothing waits, nothing is unacknowledged, nothing was given up, and the rows are fresh."""
        if not self.buffered:
            raise NotSeen("nothing was waiting that could be drained")
        began = time.monotonic()
        self.show.wait(
            lambda: self.fleet.queues.depth(HEARTBEATS_QUEUE) == 0,
            lambda: f"{self.fleet.queues.depth(HEARTBEATS_QUEUE)} messages wait in {HEARTBEATS_QUEUE}")
        self.screen.say(f"{HEARTBEATS_QUEUE}: {self.buffered} → 0, at most {max(0.1, time.monotonic() - began):.1f} s later")
        self.show.wait(
            lambda: all(float(self.show.row(name)["age"]) < 3 for name in AGENTS),
            lambda: ", ".join(f"the last heartbeat of {name} is {self.show.row(name)['age']} s old" for name in AGENTS))
        counts = {}

        def all_empty():
            # The broker renews these numbers every five seconds.
            self.look_for_offline()
            text = self.fleet.control("list_queues", "--silent", "-p", "spot-optimizer", "name", "messages")
            counts.update((name, int(number)) for name, number in (line.split("\t") for line in text.splitlines()))
            return all(counts.get(name) == 0 for name in (*WORK_QUEUES, DEAD_LETTERS))

        self.show.wait(all_empty, lambda: f"rabbitmqctl list_queues says {counts}")
        if letters := self.fleet.queues.depth(DEAD_LETTERS):
            raise NotSeen(f"{letters} messages are in {DEAD_LETTERS}")
        self.show.keep(
            "drained", f"{self.buffered} → 0, none unacknowledged, none in {DEAD_LETTERS}",
            f"rabbitmqctl agrees: nothing waits, nothing is unacknowledged, {DEAD_LETTERS} is empty. Every row has a heartbeat "
            "of this moment")

    def answered(self):
        self.show.wait(lambda: self.command_state() == "succeeded", lambda: f"it is {self.command_state()}")
        delay, output = self.fleet.database.rows(
            f"SELECT TIMESTAMPDIFF(MICROSECOND, created_at, finished_at) / 1e6, output FROM commands WHERE id = {quoted(self.command)}")[0]
        self.show.keep(
            "answered", f"{output}", f"the command of that INSERT has succeeded, {float(delay):.1f} s after it was written: {output}")

    def nobody_offline(self, mark, back):
        """Looked at for longer than the time-out, so that a server that blamed them for its own absence would have done so."""
        until = back + HEARTBEAT_TIMEOUT + 2
        if (rest := until - time.monotonic()) > 0:
            self.screen.say(
                f"nobody was heard for longer than the time-out of {HEARTBEAT_TIMEOUT} s, but it was the server that did not "
                f"listen. Watching for {rest:.0f} s more whether it calls an agent offline")
        self.look_for_offline()
        while time.monotonic() < until:
            time.sleep(0.2)
            self.look_for_offline()
        if self.offline:
            raise NotSeen(", ".join(self.offline))
        if line := self.fleet.server_log.find("is offline", mark=mark):
            raise NotSeen(f"the server's log says: {line}")
        self.show.keep(
            "nobody offline", "online at every look at the database; the server's log agrees", "all three were online all the time")
