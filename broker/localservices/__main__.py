"""The commands of `broker/local`."""

import argparse
import contextlib
import os
import resource
import select
import shlex
import shutil
import signal
import sys
import time
from pathlib import Path

from .mariadb import DATABASE, Database
from .mariadb import USER as DATABASE_USER
from .ports import Reservation, is_free
from .processes import Daemon, Failure, birth
from .rabbitmq import SHARED, USER, VHOST, Broker
from .state import State

EXAMPLES = """\
examples:
  broker/local start                      start both in .local/services
  eval "$(broker/local env)"              AMQP_URL, DB_HOST and the others for this shell
  broker/local start /tmp/second          another pair beside it
  broker/local ctl list_queues name messages
  broker/local stop-database              an outage; start-database ends it, on the same port with the same data
  broker/local stop --purge               stop both and forget everything

exit codes: 0 done, 1 failed, 2 usage, 3 not running (status)"""

COMMANDS = {
    "start": "start both and wait until they answer",
    "stop": "stop both",
    "status": "say what runs (exit code 3 when not both do)",
    "env": "print shell lines that export addresses and logins",
    "logs": "print the end of both logs",
    "ctl": "run rabbitmqctl on the broker",
    "start-broker": "start the broker alone, where it was",
    "stop-broker": "stop the broker alone",
    "restart-broker": "stop and start the broker",
    "start-database": "start the database alone, where it was",
    "stop-database": "stop the database alone",
    "restart-database": "stop and start the database",
    "reload-keys": "make the running broker take the public keys that were added to the keys folder",
    "watch": None,
}


class Local:
    """Both services of one state folder."""

    def __init__(self, folder):
        self.state = State(folder)
        self.broker = Broker(self.state)
        self.database = Database(self.state)
        self.watchdog = Daemon("watchdog", self.state.folder)

    def services(self, name):
        """By the part of a command's name after the dash."""
        return {"broker": self.broker, "database": self.database}[name]

    def running(self):
        """Which of the two run."""
        return [name for name in ("broker", "database") if self.services(name).daemon.pid() is not None]

    def start(self, watched, purge):
        if self.state.exists:
            self.state.open()
        else:
            self.state.create(os.environ.get("SPOT_OPTIMIZER_LOCAL_ROOT") or None)
        with self.state.locked():
            if len(self.running()) == 2:
                print(f"already running in {self.state.folder}")
                return
            if watched is not None:
                # First of all: whatever happens to this command, somebody will clean up.
                self.start_watchdog(watched, purge)
            started = time.monotonic()
            try:
                self.start_on_free_ports()
            except BaseException:
                self.stop_services()
                self.watchdog.stop(grace=1)
                if purge:
                    self.purge()
                raise
            print(f"ready after {time.monotonic() - started:.1f} s in {self.state.folder}: "
                  f"amqp 127.0.0.1:{self.state.ports['amqp']}, database 127.0.0.1:{self.state.ports['database']}")

    def start_on_free_ports(self):
        """Tries again on other ports when somebody outside took one between our look and the server's."""
        for attempt in range(3):
            try:
                return self.start_services()
            except Failure:
                self.stop_services()
                if attempt == 2 or all(is_free(port) for port in self.state.ports.values()):
                    raise

    def start_services(self):
        """Both at the same time: the broker takes six seconds, mostly waiting."""
        self.stop_services()
        reservation = Reservation()
        self.state.choose_ports(reservation)
        self.broker.prepare()
        self.broker.start()
        self.database.prepare()
        self.database.start()
        self.database.wait_until_ready()
        self.broker.wait_until_ready()
        reservation.release()

    def stop_services(self):
        self.database.stop()
        self.broker.stop()

    def stop(self, purge):
        if not self.state.exists:
            print(f"nothing to stop in {self.state.folder}")
            return
        self.state.open()
        with self.state.locked():
            was_running = self.running()
            self.watchdog.stop(grace=1)
            self.stop_services()
            if purge:
                self.purge()
        print(("stopped" if was_running else "nothing was running") + f" in {self.state.folder}" + (", removed" if purge else ""))

    def purge(self):
        """Removes the folder, which another command may have done while this one waited for the lock."""
        if self.state.exists:
            shutil.rmtree(self.state.folder)

    def change_one(self, command):
        """`start-broker` and its like."""
        self.state.open()
        action, name = command.split("-")
        service = self.services(name)
        with self.state.locked():
            if action in ("stop", "restart"):
                service.stop()
            if action in ("start", "restart"):
                if service.daemon.pid() is None:
                    self.require_ports(service)
                    service.prepare()
                    service.start()
                try:
                    service.wait_until_ready()
                except BaseException:
                    service.stop()
                    raise
        print(f"{name} {'stopped' if action == 'stop' else 'ready'}")

    def require_ports(self, service):
        """Who was connected expects a server where it was."""
        for port in (self.state.ports[name] for name in service.PORTS):
            if not is_free(port) and (port != self.state.ports["epmd"] or self.broker.epmd.pid() is None):
                raise Failure(f"another program listens on port {port} now; `broker/local start` starts both on other ports")

    def status(self):
        if not self.state.exists:
            print(f"nothing was started in {self.state.folder}")
            return 3
        self.state.open()
        good = True
        for name, port in (("broker", "amqp"), ("database", "database")):
            service = self.services(name)
            pid = service.daemon.pid()
            answers = pid is not None and service.answers()
            good = good and answers
            text = "not running" if pid is None else f"pid {pid}, 127.0.0.1:{self.state.ports[port]}"
            print(f"{name:9} {text}{'' if pid is None or answers else ', does not answer'}")
        print(f"state     {self.state.folder}")
        return 0 if good else 3

    def env(self):
        self.state.open()
        password = self.state.secret("broker")
        port = self.state.ports["amqp"]
        values = {
            "AMQP_URL": f"amqp://{USER}:{password}@127.0.0.1:{port}/{VHOST}",
            "AMQP_HOST": "127.0.0.1", "AMQP_PORT": port, "AMQP_VHOST": VHOST, "AMQP_USER": USER, "AMQP_PASSWORD": password,
            "DB_HOST": "127.0.0.1", "DB_PORT": self.state.ports["database"], "DB_USER": DATABASE_USER,
            "DB_PASSWORD": self.state.secret("database"), "DB_NAME": DATABASE,
            "BROKER_KEYS_DIR": self.state.folder / "keys", "SPOT_OPTIMIZER_KEYS_DIR": self.state.folder / "keys",
            "SPOT_OPTIMIZER_LOCAL": self.state.folder,
            "RABBITMQCTL": shlex.join([str(SHARED / "local"), "--state", str(self.state.folder), "ctl"]),
        }
        for name, value in values.items():
            print(f"export {name}={shlex.quote(str(value))}")

    def logs(self):
        self.state.open()
        for name in ("broker", "database"):
            print(f"== {name}")
            print(self.services(name).end_of_log(40))

    def start_watchdog(self, pid, purge):
        self.watchdog.stop(grace=1)
        arguments = [sys.executable, "-B", "-s", "-m", "localservices", "--state", str(self.state.folder), "watch", str(pid)]
        self.watchdog.start(arguments + (["--purge"] if purge else []), {**os.environ, "PYTHONPATH": str(SHARED)}, "/")

    def watch(self, pid, purge):
        """Runs until process `pid` is gone, then stops everything."""
        with contextlib.suppress(ProcessLookupError):
            descriptor = os.pidfd_open(pid)
            select.select([descriptor], [], [])
        self.state.open()
        with self.state.locked():
            self.stop_services()
            self.watchdog.pidfile.unlink(missing_ok=True)
            if purge:
                self.purge()


def parse(arguments):
    state = argparse.ArgumentParser(add_help=False)
    state.add_argument(
        "--state", metavar="DIR", default=argparse.SUPPRESS,
        help="the state folder (default: $SPOT_OPTIMIZER_LOCAL, else .local/services of this repository)")
    parser = argparse.ArgumentParser(
        prog="broker/local", parents=[state], epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter,
        description="A private RabbitMQ and a private MariaDB: own ports on loopback, own names, own secrets, no root needed.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, text in COMMANDS.items():
        shown = {"help": text} if text else {}
        if name == "ctl":
            # Everything that follows is rabbitmqctl's: no argument is an option of ours, whatever it begins with.
            command = commands.add_parser(name, add_help=False, prefix_chars="\0", **shown)
            command.add_argument("arguments", nargs=argparse.REMAINDER)
            continue
        command = commands.add_parser(name, parents=[state], **shown)
        if name == "watch":
            command.add_argument("pid", type=int)
        else:
            command.add_argument("folder", nargs="?", metavar="STATE", help="the state folder")
        if name == "start":
            command.add_argument("--watch", type=int, metavar="PID", help="stop everything when this process is gone")
        if name in ("start", "stop", "watch"):
            command.add_argument("--purge", action="store_true", help="remove the state folder after the stop")
    options = parser.parse_args(arguments)
    folder = getattr(options, "folder", None)
    explicit = getattr(options, "state", None)
    if folder and explicit:
        parser.error("the state folder is given twice")
    options.state = folder or explicit or os.environ.get("SPOT_OPTIMIZER_LOCAL") or SHARED.parent / ".local" / "services"
    if options.command == "start":
        if options.purge and options.watch is None:
            parser.error("--purge of start needs --watch")
        if options.watch is not None and birth(options.watch) is None:
            parser.error(f"--watch {options.watch}: there is no such process")
    return options


def run(options):
    local = Local(options.state)
    match options.command:
        case "start":
            local.start(options.watch, options.purge)
        case "stop":
            local.stop(options.purge)
        case "status":
            return local.status()
        case "env":
            local.env()
        case "logs":
            local.logs()
        case "ctl":
            local.state.open()
            return local.broker.control(options.arguments).returncode
        case "reload-keys":
            local.state.open()
            local.broker.reload_keys()
        case "watch":
            local.watch(options.pid, options.purge)
        case command:
            local.change_one(command)
    return 0


def main():
    def interrupt(*_):
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGHUP, interrupt)
    # As many connections as the system lets us have; but Erlang closes every possible descriptor one by one when it starts a
    # child, which takes minutes at the 2^30 that some container engines allow.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 262144) if most != resource.RLIM_INFINITY else 262144, most))
    try:
        status = run(parse(sys.argv[1:]))
        sys.stdout.flush()
        return status
    except Failure as failure:
        print(f"broker/local: {failure}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Whoever read our output is gone; Python would complain once more when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("broker/local: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
