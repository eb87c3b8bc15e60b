"""Broker, database, server and agents of the demo, started as a user would start them: by their environment."""

import json
import os
import shlex
import shutil
import subprocess
import time
import urllib.error
import urllib.request

from localservices.ports import Reservation
from localservices.processes import Failure, birth, wait_until

from .building import REPOSITORY
from .evidence import Database, Log, Queues
from .metadata import MetadataService

# Shortened, so that one need not wait minutes; the programs' defaults are 30 s and 120 s.
HEARTBEAT_INTERVAL = 1
HEARTBEAT_TIMEOUT = 6
# The agent on the (pretended) spot instance, and the one that takes over from it.
SPOT_AGENT, SUCCESSOR = "demo-1", "demo-3"
# The programs see these of our own environment and nothing else.
INHERITED = ("PATH", "HOME", "TZ", "LANG", "LC_ALL", "LD_LIBRARY_PATH")


class Fleet:
    """Everything that runs, and how to look at it."""

    def __init__(self, state, programs, children, screen):
        self.state = state
        self.programs = programs
        self.children = children
        self.screen = screen
        self.variables = {}
        self.database = None
        self.queues = None
        self.server = None
        self.agents = {}
        self.metadata = None
        self._reservation = Reservation()
        self._port = None

    # Broker and database

    def start_services(self):
        """broker/local, in our folder; should we be killed, its own watchdog stops it."""
        status, out, error = self._local("start", "--watch", str(os.getpid()))
        if status != 0:
            raise Failure(f"broker/local start ended with exit code {status}: {(error or out).strip()}")
        status, text, error = self._local("env")
        if status != 0:
            raise Failure(f"broker/local env ended with exit code {status}: {error.strip()}")
        for line in text.splitlines():
            name, _, value = line.removeprefix("export ").partition("=")
            self.variables[name] = "".join(shlex.split(value))
        self.database = Database(self.children, self.state.services)
        self.queues = Queues(self.variables)
        return out.strip()

    def stop_services(self):
        """Stops both and removes their data; also what a demo that was killed left there."""
        if self.state.services.exists():
            self.state.keep_logs_of_services()
            status, _, error = self._local("stop", "--purge")
            if status != 0:
                raise Failure(f"broker/local stop --purge ended with exit code {status}: {error.strip()}")

    def control(self, *arguments):
        """Runs rabbitmqctl and returns what it printed."""
        status, out, error = self._local("ctl", *arguments)
        if status != 0:
            raise Failure(f"rabbitmqctl {arguments[0]} ended with exit code {status}: {error.strip()}")
        return out

    def _local(self, *arguments):
        # Temporary files stay in our folder. While services are only stopped, it may not be there.
        variables = {**os.environ, "TMPDIR": str(self.state.temporary)} if self.state.temporary.exists() else dict(os.environ)
        return self.children.run(
            "broker/local", [REPOSITORY / "broker" / "local", "--state", self.state.services, *arguments], variables, cwd="/")

    # Programs

    def _environment(self, **own):
        return {name: os.environ[name] for name in INHERITED if name in os.environ} | own

    @property
    def server_url(self):
        """Where agents find it."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def server_log(self):
        """All that the server wrote, over its restarts."""
        return Log(self.state.logs / "server.log")

    def agent_log(self, name):
        """All that an agent wrote, over its restarts."""
        return Log(self.state.logs / f"{name}.log")

    def server_variables(self):
        """What the server is told; `spotctl` works on the same."""
        if self._port is None:
            self._port = self._reservation.pick()
        names = ("AMQP_URL", "DB_HOST", "DB_PORT", "DB_USER", "DB_PASSWORD", "DB_NAME", "SPOT_OPTIMIZER_KEYS_DIR")
        return {name: self.variables[name] for name in names} | {
            "HTTP_HOST": "127.0.0.1", "HTTP_PORT": str(self._port),
            "AGENT_HEARTBEAT_TIMEOUT": str(HEARTBEAT_TIMEOUT), "HEARTBEAT_INTERVAL": str(HEARTBEAT_INTERVAL),
        }

    def operator_variables(self):
        """What a person needs who uses `spotctl` on all of this, `spotctl doctor` included."""
        return self.server_variables() | {"RABBITMQCTL": self.variables["RABBITMQCTL"]}

    def operator_environment(self):
        """For `spotctl`."""
        return self._environment(**self.operator_variables())

    def begin_spotctl(self, *arguments):
        """Starts it with --json."""
        return self.children.start(
            f"spotctl {' '.join(arguments[:2])}", [self.programs / "spotctl", *arguments, "--json"], self.operator_environment(),
            cwd=self.state.folder, output=subprocess.PIPE, error=subprocess.PIPE)

    def begin_following(self, *arguments):
        """Starts it with its output in pipes, as a person or a script would read it."""
        return self.children.start(
            f"spotctl {' '.join(arguments[:2])}", [self.programs / "spotctl", *arguments], self.operator_environment(),
            cwd=self.state.folder, output=subprocess.PIPE, error=subprocess.PIPE)

    def end_spotctl(self, child):
        """Waits for its end: exit code, objects, and what it said on standard error."""
        status, out, error = self.children.finish(child)
        try:
            return status, json.loads(out) if out.strip() else [], error.strip()
        except ValueError as problem:
            raise Failure(f"{child.name} printed something that is not JSON: {problem}") from problem

    def require_spotctl(self, *arguments):
        """Its objects, or the end of the demo."""
        status, objects, error = self.end_spotctl(self.begin_spotctl(*arguments))
        if status != 0:
            raise Failure(f"spotctl {' '.join(arguments[:2])} ended with exit code {status}: {error}")
        return objects

    def start_server(self):
        """Starts it on the port it had before; returns once GET /health says that it, the broker and the database are well."""
        self.server = self._start("server", "spot-optimizer-server", self._environment(**self.server_variables()))
        healthy = wait_until(lambda: self.server.status() is not None or self.health() == 200, 30)
        if not healthy or self.server.status() is not None:
            end = "\n".join(self.server_log.lines()[-10:])
            raise Failure(f"the server did not come up ({self.describe(self.server)}). The end of its log:\n{end}")

    def health(self):
        """The status of GET /health, or the network's error as a text."""
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"{self.server_url}/health", timeout=5) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        except OSError as error:
            reason = getattr(error, "reason", error)
            return getattr(reason, "strerror", None) or str(reason)

    def start_agent(self, name, token):
        """Starts an agent with a state folder of its own, kept over restarts."""
        folder = self.state.agents / name
        folder.mkdir(mode=0o700, exist_ok=True)
        variables = self._environment(
            SPOT_OPTIMIZER_SERVER_URL=self.server_url, SPOT_OPTIMIZER_CLIENT_TOKEN=token, LOGICAL_AGENT_ID=name,
            SPOT_OPTIMIZER_STATE_DIR=str(folder),
            SPOT_OPTIMIZER_COMMANDS_DIR=str(self.state.commands), **self._place(name))
        agent = self._start(name, "spot-optimizer-agent", variables)
        self.agents[name] = agent
        return agent

    def _place(self, name):
        """Where an agent believes that it is: one on a spot instance, one that stands by for it, the others on no instance, where asking would cost a second."""
        if name == SPOT_AGENT:
            if self.metadata is None:
                self.metadata = MetadataService(self._reservation.pick(), "i-0abc1234def567890")
            return {"AWS_EC2_METADATA_SERVICE_ENDPOINT": self.metadata.url}
        tags = {"SPOT_OPTIMIZER_TAGS": f"replica-of={SPOT_AGENT}"} if name == SUCCESSOR else {}
        return {"AWS_EC2_METADATA_DISABLED": "true", **tags}

    def _start(self, name, program, variables):
        with open(self.state.logs / f"{name}.log", "ab") as output:
            return self.children.start(name, [self.programs / program], variables, cwd=self.state.folder, output=output)

    def discard(self, child):
        """A process that has ended, or was ended, on purpose."""
        self.children.forget(child)

    @staticmethod
    def describe(child):
        """How a process stands, in words."""
        status = child.status()
        if status is None:
            return "still running" if birth(child.pid) else "gone"
        return f"exit code {status}" if status >= 0 else f"signal {-status}"

    # The end

    def stop(self):
        """Agents, server, whatever else runs, and then broker and database."""
        started = time.monotonic()
        self.children.stop_all()
        self.stop_services()
        if self.metadata is not None:
            self.metadata.close()
        self._reservation.release()
        self.state.forget()
        shutil.rmtree(self.state.services, ignore_errors=True)
        return time.monotonic() - started
